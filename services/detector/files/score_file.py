"""A table of ratings in, the same numbers that the stream would give out; no broker, no database.

Clients have nothing to do with one another, so their rows are scored some thousands at a time, by this
process or by several.
"""

import csv
import gc
from collections import deque
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import Future, ProcessPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from multiprocessing import get_context
from pathlib import Path
from typing import TextIO

from schemas.instruments.catalogue import Catalogue
from services.detector.domain.detector import Detector
from services.detector.files.file_scorer import COLUMNS, Group, Shop, Thresholds, add
from services.detector.files.ordered_lines import TableLines
from services.detector.files.row_index import Span, TableReader, TableRows

_AT_ONCE = 8_000
"""Sessions that are scored together: enough to keep the model busy, few enough to keep memory small."""
_WAITING = 2
"""So many batches are handed out for each process: the next is there when one is done."""

Batch = list[list[Span]]
"""Where the rows of some clients lie."""
Lines = list[tuple[int, str]]
"""Places of rows, with their lines."""
Scored = tuple[int, Lines]
"""How many rows there were, and the lines of those that have one."""


@dataclass(frozen=True, slots=True)
class Helpers:
    """Processes to score with, each of which loads a model of its own."""

    count: int
    model: Callable[[], Detector]
    """Must be known by its name to a new process."""


def score_file(
    source: Path,
    target: TextIO,
    model: Detector,
    catalogue: Catalogue,
    *,
    thresholds: Thresholds | None = None,
    progress: Callable[[str, int], None] = lambda _what, _rows: None,
    helpers: Helpers | None = None,
) -> int:
    """Write one line per distinct rating, in the order of the file; the number of lines.

    The file is gone over once to see whose each row is, and then read client by client, so that a table needs
    little memory in whatever order its rows stand. `thresholds` are a practice's own, by practice; `progress`
    hears what is being done, and to how many rows it was done. `helpers` score to the same result.

    Raises:
        BadRow: a row cannot be scored.
        ValueError: a column is missing.
    """
    items_of = {str(instrument.id): instrument.items for instrument in catalogue}
    rows = TableRows(source, items_of, lambda count: progress("reading", count))
    with TableLines(len(rows)) as lines:
        batches = rows.batches(_AT_ONCE)
        if helpers is None:
            with TableReader(source, rows.header, items_of) as reader, _no_collections():
                scorer = BatchScorer(reader, Shop(model, catalogue, thresholds or {}))
                found = map(scorer.score, batches)
                _keep(found, lines, progress)
        else:
            _keep(_by_helpers(helpers, rows, batches, thresholds or {}), lines, progress)
        csv.writer(target, lineterminator="\n").writerow(COLUMNS)
        return lines.write(target)


def _keep(found: Iterator[Scored], lines: TableLines, progress: Callable[[str, int], None]) -> None:
    done = 0
    for count, some in found:
        for place, line in some:
            lines.give(place, line)
        done += count
        progress("scoring", done)


class BatchScorer:
    """What scores batches: a way to their rows, and a shop."""

    def __init__(self, reader: TableReader, shop: Shop) -> None:
        self._reader = reader
        self._shop = shop

    def score(self, batch: Batch) -> Scored:
        """Score the rows of a batch.

        Raises:
            BadRow: a row cannot be scored.
        """
        places: dict[int, int] = {}
        groups = []
        for client in batch:
            group = Group()
            for place, row in self._reader.read(client):
                places[row.number] = place
                add(group, row)
            groups.append(group)
        return len(places), [(places[number], line) for number, line in self._shop.score(groups)]


def _by_helpers(
    helpers: Helpers, rows: TableRows, batches: Iterator[Batch], thresholds: Thresholds
) -> Iterator[Scored]:
    # A fresh process for each: one that is forked from a program with threads may stand still.
    given = (rows.file, rows.header, rows.items_of, helpers.model, thresholds)
    waiting: deque[Future[Scored]] = deque()
    with ProcessPoolExecutor(helpers.count, get_context("spawn"), _open, given) as pool:
        try:
            for batch in batches:
                waiting.append(pool.submit(_score_there, batch))
                if len(waiting) >= _WAITING * helpers.count:
                    yield waiting.popleft().result()
            while waiting:
                yield waiting.popleft().result()
        finally:
            pool.shutdown(cancel_futures=True)


_opened: list[BatchScorer] = []
"""Of a helper's process: opened once, used for every batch."""


def _open(
    file: Path,
    header: list[str],
    items_of: Mapping[str, int],
    model: Callable[[], Detector],
    thresholds: Thresholds,
) -> None:
    gc.disable()
    reader = TableReader(file, header, items_of)
    _opened.append(BatchScorer(reader, Shop(model(), Catalogue.load(), thresholds)))


def _score_there(batch: Batch) -> Scored:
    return _opened[0].score(batch)


@contextmanager
def _no_collections() -> Iterator[None]:
    # Millions of short-lived objects without a cycle among them: looking for some took a fifth of the time.
    was_on = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if was_on:
            gc.enable()
