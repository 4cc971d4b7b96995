"""Pages through append-only tables with opaque cursors, and never skips a row.

A row's position is (xid, seq): the transaction that wrote it, and its number. Numbers alone do not suffice:
they are drawn in one order and become visible in another, so a reader who saw 7 could miss a 6 that commits
later. A row is shown only when every transaction that could still write an earlier position has ended
(`VISIBLE`). After a logical restore into a new cluster a stored `xid` may be ahead of the cluster's: set it
to '0'.
"""

import base64
import binascii
import struct
from typing import NamedTuple

from services.runtime.http.problem import FieldError, Problem

_POSITION = struct.Struct(">QQ")

VISIBLE = "xid < pg_snapshot_xmin(pg_current_snapshot())"
"""True for rows whose transaction is older than the oldest one still in progress."""

AFTER = f"(xid, seq) > (%(xid)s::text::xid8, %(seq)s) AND {VISIBLE}"
"""The condition for the rows of a page; use `Cursor.parameters`, and order by `ORDER`."""

ORDER = "xid, seq"


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
