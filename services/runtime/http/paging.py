"""Cursors: a place in a table of ever-growing rows, as an opaque text that a caller hands back.

A row is placed by (xid, seq): the transaction that wrote it and its number. Numbers alone are taken in one
order and become visible in another, so a reader who saw 7 could miss a 6 that commits later. Rows are shown
only when every transaction that could still write an earlier place has ended (`VISIBLE`): no page skips one.
After a logical restore into a new cluster a stored `xid` may be ahead of the cluster's: set it to '0'.
"""

import base64
import binascii
import struct
from typing import NamedTuple

from services.runtime.http.problem import FieldError, Problem

_PLACE = struct.Struct(">QQ")

VISIBLE = "xid < pg_snapshot_xmin(pg_current_snapshot())"
"""Every transaction that is older than the oldest one still in flight."""

AFTER = f"(xid, seq) > (%(xid)s::text::xid8, %(seq)s) AND {VISIBLE}"
"""The condition of a page; take its parameters from `Cursor.parameters`, order by `ORDER`."""

ORDER = "xid, seq"


class Cursor(NamedTuple):
    """The place of the last row that was seen."""

    xid: int
    seq: int

    @property
    def parameters(self) -> dict[str, str | int]:
        """The values for `AFTER`."""
        return {"xid": str(self.xid), "seq": self.seq}


START = Cursor(0, 0)


def encode(cursor: Cursor) -> str:
    """The opaque text of a place: URL-safe, no padding. It holds nothing that must be kept secret."""
    return base64.urlsafe_b64encode(_PLACE.pack(*cursor)).rstrip(b"=").decode()


def decode(text: str | None) -> Cursor:
    """The place of an opaque text; None or empty: the start.

    Raises:
        Problem: 400, the text is none of ours.
    """
    if not text:
        return START
    try:
        padded = text.encode("ascii") + b"=" * (-len(text) % 4)
        xid, seq = _PLACE.unpack(base64.b64decode(padded, altchars=b"-_", validate=True))
    except (binascii.Error, struct.error, UnicodeEncodeError):
        wrong = FieldError("after", "not a cursor", "the `next` of the page before, unchanged")
        raise Problem(400, "Not a cursor", errors=[wrong]) from None
    if seq > 2**63 - 1:
        raise Problem(400, "Not a cursor", errors=[FieldError("after", "out of range")])
    return Cursor(xid, seq)
