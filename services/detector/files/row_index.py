"""Indexes the rows of a large table by client, so that each client's rows can be read together.

The index holds a few numbers per row, so a table in any order needs little memory.
"""

import os
from array import array
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from functools import cached_property
from pathlib import Path
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from schemas.csv_table import TableReader, cells_of, text_lines
from schemas.ratings_csv import REQUIRED, RatingColumns, RatingRow
from services.detector.files.file_statistics import client_rank
from services.detector.files.ratings_table import UNNAMED_PRACTICE

_BOM = b"\xef\xbb\xbf"
_PROGRESS_EVERY = 10_000
"""Rows."""


class RowSpan(NamedTuple):
    """One row: its position among all rows, from 0; its bytes in the file; its line number."""

    position: int
    offset: int
    size: int
    number: int


class RowIndex:
    """Where the rows of a file are, by client."""

    def __init__(self, file: Path, items_of: Mapping[str, int], progress: Callable[[int], None]) -> None:
        """Read the file once; `progress` gets the number of rows read so far.

        Raises:
            UnreadableTable: a column is missing, or a row does not fit under the header.
        """
        self.file = file
        self.items_of = items_of
        self._offsets, self._sizes, self._numbers = array("q"), array("q"), array("q")
        self._clients = array("q")
        self._practices: dict[str, int] = {}
        self._practice_of_client, self._rank_of_client = array("q"), array("Q")
        clients: dict[tuple[str, str], int] = {}
        lines = _CountedLines(file)
        table = TableReader(file, lines)
        table.require(REQUIRED)
        self.header = table.header
        columns = RatingColumns(self.header, items_of)
        for line, cells in table:
            size = sum(map(_size_bytes, table.row_lines))
            self._offsets.append(lines.read_bytes - size)
            self._sizes.append(size)
            self._numbers.append(line)
            client = columns.whose(cells)
            number = clients.setdefault(client, len(clients))
            self._clients.append(number)
            if number == len(self._rank_of_client):
                self._add_client(*client)
            if len(self._offsets) % _PROGRESS_EVERY == 0:
                progress(len(self._offsets))

    def _add_client(self, practice: str, client: str) -> None:
        name = practice or UNNAMED_PRACTICE
        self._practice_of_client.append(self._practices.setdefault(name, len(self._practices)))
        self._rank_of_client.append(client_rank(client))

    def __len__(self) -> int:
        return len(self._offsets)

    def batches(self, rows: int) -> Iterator[list[list[RowSpan]]]:
        """Yield whole clients in the order of their first rows, in batches of at least `rows` rows.

        Each client is a list of row spans. Only the last batch may be smaller.
        """
        batch: list[list[RowSpan]] = []
        count = 0
        for client in self._spans_of(range(len(self._rank_of_client))):
            batch.append(client)
            count += len(client)
            if count >= rows:
                yield batch
                batch, count = [], 0
        if batch:
            yield batch

    def samples(self, most: int) -> Iterator[tuple[str, list[list[RowSpan]]]]:
        """Yield each practice with the rows of its clients that come first by `client_rank`.

        There are at most `most` clients of each; which ones does not depend on the order of the rows.
        """
        practice_of = np.frombuffer(self._practice_of_client, dtype=np.int64)
        ranks = np.frombuffer(self._rank_of_client, dtype=np.uint64)
        order = np.lexsort((ranks, practice_of))
        begin = 0
        for practice, count in zip(self._practices, np.bincount(practice_of).tolist(), strict=True):
            first = order[begin : begin + min(count, most)].tolist()
            yield practice, list(self._spans_of(first))
            begin += count

    def _spans_of(self, clients: Iterable[int]) -> Iterator[list[RowSpan]]:
        order, ends = self._by_client
        for client in clients:
            rows = order[ends[client - 1] if client else 0 : ends[client]].tolist()
            yield [RowSpan(row, self._offsets[row], self._sizes[row], self._numbers[row]) for row in rows]

    @cached_property
    def _by_client(self) -> tuple[NDArray[np.intp], NDArray[np.int64]]:
        """The rows by client, and where each client's rows end among them."""
        clients = np.frombuffer(self._clients, dtype=np.int64)
        return np.argsort(clients, kind="stable"), np.cumsum(np.bincount(clients))


class RowReader:
    """Reads single rows of a file by their spans; a context manager that closes the file."""

    def __init__(self, file: Path, header: Sequence[str], items_of: Mapping[str, int]) -> None:
        self._columns = RatingColumns(header, items_of)
        self._file = file.open("rb")

    def __enter__(self) -> "RowReader":
        return self

    def __exit__(self, *_: object) -> None:
        self._file.close()

    def read(self, spans: Sequence[RowSpan]) -> Iterator[tuple[int, RatingRow]]:
        """Yield the position and the content of each row."""
        file = self._file.fileno()
        for position, offset, size, number in spans:
            text = os.pread(file, size, offset).decode("utf-8")
            yield position, self._columns.row(next(cells_of((text,))), number)


class _CountedLines:
    """Iterates over the lines of a text file and counts the bytes they take in it."""

    def __init__(self, file: Path) -> None:
        self._lines = text_lines(file)
        with file.open("rb") as start:
            self.read_bytes = len(_BOM) if start.read(len(_BOM)) == _BOM else 0

    def __iter__(self) -> Iterator[str]:
        for line in self._lines:
            self.read_bytes += _size_bytes(line)
            yield line


def _size_bytes(line: str) -> int:
    return len(line) if line.isascii() else len(line.encode())
