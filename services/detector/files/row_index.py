"""A table of ratings in, where each client's rows lie out, so that a client is read when it is their turn.

Kept of a row are a few numbers, whatever is in it: a table of any order needs little memory.
"""

import csv
import os
from array import array
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import NamedTuple, TextIO

import numpy as np

from schemas.ratings_csv import Columns, Row

_BOM = b"\xef\xbb\xbf"
_SAID_EVERY = 10_000


class Span(NamedTuple):
    """Where a row lies: its place among all rows, from 0; its bytes; the number of its line."""

    place: int
    offset: int
    size: int
    number: int


class TableRows:
    """Where the rows of a file lie, by client."""

    def __init__(self, file: Path, items_of: Mapping[str, int], progress: Callable[[int], None]) -> None:
        """Go over the file once; `progress` hears of the rows that were seen.

        Raises:
            ValueError: a column is missing.
        """
        self.file = file
        self.items_of = items_of
        self._offsets, self._sizes, self._numbers = array("q"), array("q"), array("q")
        self._clients = array("q")
        known: dict[tuple[str, str], int] = {}
        with file.open(encoding="utf-8-sig", newline="") as text:
            lines = _Lines(text, file)
            cells = csv.reader(lines)
            self.header = next(cells, [])
            columns = Columns(self.header, items_of)
            at = lines.read_bytes
            for row in cells:
                whose = columns.whose(row)
                if whose is not None:
                    self._offsets.append(at)
                    self._sizes.append(lines.read_bytes - at)
                    self._numbers.append(cells.line_num)
                    self._clients.append(known.setdefault(whose, len(known)))
                    if len(self._offsets) % _SAID_EVERY == 0:
                        progress(len(self._offsets))
                at = lines.read_bytes

    def __len__(self) -> int:
        return len(self._offsets)

    def batches(self, rows: int) -> Iterator[list[list[Span]]]:
        """Whole clients, in the order of their first rows; together they have `rows` rows or a few more."""
        batch: list[list[Span]] = []
        count = 0
        for client in self._by_client():
            batch.append(client)
            count += len(client)
            if count >= rows:
                yield batch
                batch, count = [], 0
        if batch:
            yield batch

    def _by_client(self) -> Iterator[list[Span]]:
        clients = np.frombuffer(self._clients, dtype=np.int64)
        order = np.argsort(clients, kind="stable")
        ends = np.cumsum(np.bincount(clients)) if len(clients) else np.empty(0, dtype=np.int64)
        begin = 0
        for end in ends.tolist():
            places = order[begin:end].tolist()
            yield [Span(at, self._offsets[at], self._sizes[at], self._numbers[at]) for at in places]
            begin = end


class TableReader:
    """Reads rows where they lie; open while it is used."""

    def __init__(self, file: Path, header: Sequence[str], items_of: Mapping[str, int]) -> None:
        self._columns = Columns(header, items_of)
        self._file = file.open("rb")

    def __enter__(self) -> "TableReader":
        return self

    def __exit__(self, *_: object) -> None:
        self._file.close()

    def read(self, spans: Sequence[Span]) -> Iterator[tuple[int, Row]]:
        """The rows at these places, each with its place."""
        file = self._file.fileno()
        for place, offset, size, number in spans:
            text = os.pread(file, size, offset).decode("utf-8")
            row = self._columns.row(next(csv.reader((text,))), number)
            if row is not None:
                yield place, row


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
