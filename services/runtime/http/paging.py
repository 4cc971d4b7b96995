"""Gives callers their position in a list as an opaque cursor, and reads it back."""

import base64
import binascii
import struct
from typing import NamedTuple

from services.runtime.http.problem import FieldError, Problem

_POSITION = struct.Struct(">QQ")


class Cursor(NamedTuple):
    """The position of the last row that the caller has read: its transaction, and its number."""

    xid: int
    seq: int


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
