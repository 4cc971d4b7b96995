"""Puts lines that come in any order into the order of their rows; until then they are held on disk."""

import os
import tempfile
from array import array
from typing import BinaryIO, TextIO


class OrderedLines:
    """Holds at most one line for each row of a table, until all lines are there."""

    def __init__(self, rows: int) -> None:
        self._file: BinaryIO = tempfile.TemporaryFile()  # noqa: SIM115 - closed by __exit__
        self._end = 0
        self._offsets = array("q", bytes(8 * rows))
        self._sizes = array("q", bytes(8 * rows))

    def __enter__(self) -> "OrderedLines":
        return self

    def __exit__(self, *_: object) -> None:
        self._file.close()

    def put(self, row: int, line: str) -> None:
        """Hold the line of a row, counted from 0."""
        written = self._file.write(line.encode())
        self._offsets[row], self._sizes[row] = self._end, written
        self._end += written

    def write(self, target: TextIO) -> int:
        """Write all lines in the order of their rows and return their number."""
        self._file.flush()
        file, count = self._file.fileno(), 0
        for offset, size in zip(self._offsets, self._sizes, strict=True):
            if size:
                target.write(os.pread(file, size, offset).decode())
                count += 1
        return count
