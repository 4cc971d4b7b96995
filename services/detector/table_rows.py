"""A table of ratings in, where each client's rows lie out, so that a client is read when it is their turn.

Kept of a row are a few numbers, whatever is in it: a table of any order needs little memory.
"""

import csv
import os
from array import array
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import BinaryIO, TextIO

import numpy as np

from schemas.ratings_csv import Columns, Row

_BOM = b"\xef\xbb\xbf"
_SAID_EVERY = 10_000


class TableRows:
    """The rows of a file by client; open while they are read."""

    def __init__(self, file: Path, items_of: Mapping[str, int], progress: Callable[[int], None]) -> None:
        """Go over the file once; `progress` hears of the rows that were seen.

        Raises:
            ValueError: a column is missing.
        """
        self._offsets, self._sizes, self._numbers = array("q"), array("q"), array("q")
        self._clients = array("q")
        known: dict[tuple[str, str], int] = {}
        with file.open(encoding="utf-8-sig", newline="") as text:
            lines = _Lines(text, file)
            cells = csv.reader(lines)
            self.columns = Columns(next(cells, []), items_of)
            at = lines.read_bytes
            for row in cells:
                whose = self.columns.whose(row)
                if whose is not None:
                    self._offsets.append(at)
                    self._sizes.append(lines.read_bytes - at)
                    self._numbers.append(cells.line_num)
                    self._clients.append(known.setdefault(whose, len(known)))
                    if len(self._offsets) % _SAID_EVERY == 0:
                        progress(len(self._offsets))
                at = lines.read_bytes
        self._file: BinaryIO = file.open("rb")

    def __enter__(self) -> "TableRows":
        return self

    def __exit__(self, *_: object) -> None:
        self._file.close()

    def __len__(self) -> int:
        return len(self._offsets)

    def by_client(self) -> Iterator[list[tuple[int, Row]]]:
        """Client by client, in the order of their first rows: each one's rows with their places, from 0."""
        clients = np.frombuffer(self._clients, dtype=np.int64)
        order = np.argsort(clients, kind="stable")
        ends = np.cumsum(np.bincount(clients)) if len(clients) else np.empty(0, dtype=np.int64)
        begin = 0
        for end in ends.tolist():
            yield self._read(order[begin:end].tolist())
            begin = end

    def _read(self, places: Sequence[int]) -> list[tuple[int, Row]]:
        file, offsets, sizes = self._file.fileno(), self._offsets, self._sizes
        found = []
        for place in places:
            text = os.pread(file, sizes[place], offsets[place]).decode("utf-8")
            row = self.columns.row(next(csv.reader((text,))), self._numbers[place])
            if row is not None:
                found.append((place, row))
        return found


class _Lines:
    """The lines of an open file; knows how many bytes those handed out so far take."""

    def __init__(self, text: TextIO, file: Path) -> None:
        self._text = text
        with file.open("rb") as start:
            self.read_bytes = len(_BOM) if start.read(len(_BOM)) == _BOM else 0

    def __iter__(self) -> Iterator[str]:
        for line in self._text:
            self.read_bytes += len(line) if line.isascii() else len(line.encode())
            yield line
