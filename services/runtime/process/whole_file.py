"""Writes a file whole or not at all: what stood there before is replaced once all was written."""

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO

OWNER_ONLY = 0o600
"""The rights of a file that only its owner may read and write."""
_USUAL = 0o666
"""The rights of a new file, before those that the user's mask takes away."""


@contextmanager
def whole_file(out: Path, rights: int = _USUAL) -> Iterator[IO[bytes]]:
    """Yield a file beside `out` that takes its place at the end of the block, or is removed after an error.

    What is no regular file, such as a device, is written as it is: it can be replaced by nothing.

    Raises:
        OSError: the file cannot be written.
    """
    if out.exists() and not out.is_file():
        with out.open("wb") as file:
            yield file
        return
    beside = out.with_name(f".{out.name}.part")
    descriptor = os.open(beside, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, rights)
    try:
        with os.fdopen(descriptor, "wb") as file:
            yield file
        beside.replace(out)
    finally:
        beside.unlink(missing_ok=True)
