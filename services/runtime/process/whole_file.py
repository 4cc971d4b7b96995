"""Writes a file whole or not at all: what stood there before is replaced once all was written."""

import os
import secrets
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from stat import S_IMODE
from typing import IO

OWNER_ONLY = 0o600
"""The rights of a file that only its owner may read and write."""
_USUAL = 0o666
"""The rights of a new file, before those that the user's mask takes away."""


@contextmanager
def whole_file(out: Path, rights: int | None = None) -> Iterator[IO[bytes]]:
    """Yield a file beside `out` that takes its place at the end of the block, or is removed after an error.

    It has these `rights`; None: those of the file that it replaces, and the usual ones where there is none. A
    link stays, and leads to the new file. What is no regular file, such as a device, is written as it is: it
    can be replaced by nothing.

    Raises:
        OSError: the file cannot be written.
    """
    if out.exists() and not out.is_file():
        with out.open("wb") as file:
            yield file
        return
    out = out.resolve()
    if rights is None and out.exists():
        rights = S_IMODE(out.stat().st_mode)
    # A name of its own: nobody else writes this file, or has put a link in its place.
    beside = out.with_name(f".{out.name[:200]}.{secrets.token_hex(4)}")
    descriptor = os.open(
        beside, os.O_WRONLY | os.O_CREAT | os.O_EXCL, _USUAL if rights is None else OWNER_ONLY
    )
    try:
        with os.fdopen(descriptor, "wb") as file:
            if rights is not None:
                os.fchmod(descriptor, rights)
            yield file
        # Opened again: whoever wrote may have closed it.
        with beside.open("rb") as written:
            os.fsync(written.fileno())
        beside.replace(out)
    finally:
        beside.unlink(missing_ok=True)
