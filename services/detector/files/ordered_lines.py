"""Lines in any order in, the same lines in the order of their rows out; they wait on the disk."""

import os
import tempfile
from array import array
from typing import BinaryIO, TextIO


class TableLines:
    """Keeps a line, or none, for each of so many rows, until all are there."""

    def __init__(self, rows: int) -> None:
        self._file: BinaryIO = tempfile.TemporaryFile()  # noqa: SIM115 - closed by __exit__
        self._at = 0
        self._offsets = array("q", bytes(8 * rows))
        self._sizes = array("q", bytes(8 * rows))

    def __enter__(self) -> "TableLines":
        return self

    def __exit__(self, *_: object) -> None:
        self._file.close()

    def give(self, row: int, line: str) -> None:
        """Keep the line of a row; a row that gets none has none."""
        written = self._file.write(line.encode())
        self._offsets[row], self._sizes[row] = self._at, written
        self._at += written

    def write(self, target: TextIO) -> int:
        """Write all lines in the order of their rows; how many there are."""
        self._file.flush()
        file, count = self._file.fileno(), 0
        for offset, size in zip(self._offsets, self._sizes, strict=True):
            if size:
                target.write(os.pread(file, size, offset).decode())
                count += 1
        return count
