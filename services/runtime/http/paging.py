"""Pages through append-only tables with opaque cursors, and never skips a row.

A row's position is (xid, seq): the transaction that wrote it, and its number. Numbers alone do not suffice:
they are drawn in one order and become visible in another, so a reader who saw 7 could miss a 6 that commits
later. A row is shown only when every transaction that could still write an earlier position has ended.
After a logical restore into a new cluster a stored `xid` may be ahead of the cluster's: set it
to '0'.
"""

import base64
import binascii
import struct
from typing import NamedTuple

from services.runtime.http.problem import FieldError, Problem

_POSITION = struct.Struct(">QQ")


def after(table: str) -> str:
    """Return the condition for the rows of a page; use `Cursor.parameters`, and order by `order`.

    `table` is the name or alias by which the query knows the table.
    """
    visible = f"{table}.xid < pg_snapshot_xmin(pg_current_snapshot())"
    return f"({table}.xid, {table}.seq) > (%(xid)s::text::xid8, %(seq)s) AND {visible}"


def order(table: str) -> str:
    """Return the order of the rows of a page, of a table with this name or alias.

    Without the table, `xid` would be the column of the result, which a query casts to text: '1000' before
    '999'.
    """
    return f"{table}.xid, {table}.seq"


class Cursor(NamedTuple):
    """The position of the last row that the caller has read."""

    xid: int
    seq: int

    @property
    def parameters(self) -> dict[str, str | int]:
        """The parameters of `AFTER`."""
        return {"xid": str(self.xid), "seq": self.seq}


START = Cursor(0, 0)


def encode_cursor(cursor: Cursor) -> str:
    """Return the cursor as opaque text: URL-safe, without padding. It contains nothing secret."""
    return base64.urlsafe_b64encode(_POSITION.pack(*cursor)).rstrip(b"=").decode()


def decode_cursor(text: str | None) -> Cursor:
    """Return the cursor of an opaque text; the start for None and empty text.

    Raises:
        Problem: 400, the text is not a cursor.
    """
    if not text:
        return START
    try:
        padded = text.encode("ascii") + b"=" * (-len(text) % 4)
        xid, seq = _POSITION.unpack(base64.b64decode(padded, altchars=b"-_", validate=True))
    except (binascii.Error, struct.error, UnicodeEncodeError):
        error = FieldError("after", "not a cursor", "the `next` of the page before, unchanged")
        raise Problem(400, "Not a cursor", errors=[error]) from None
    if seq > 2**63 - 1:
        raise Problem(400, "Not a cursor", errors=[FieldError("after", "out of range")])
    return Cursor(xid, seq)
