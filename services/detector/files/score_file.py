"""Scores a table of ratings to the same numbers as the stream, without broker or database.

Ratings of different clients never affect one another, so clients are scored in batches of some thousand
rows, by this process or by several.
"""

import csv
import gc
from collections import deque
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ProcessPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from multiprocessing import get_context
from pathlib import Path
from typing import TextIO

from schemas.instruments.catalogue import Catalogue
from services.detector.domain.detector import Detector
from services.detector.files.file_scorer import COLUMNS, FileScorer, Thresholds
from services.detector.files.ordered_lines import OrderedLines
from services.detector.files.ratings_table import ClientRows
from services.detector.files.row_index import RowIndex, RowReader, RowSpan

_BATCH_ROWS = 8_000
"""Rows that are scored together: enough to keep the model busy, few enough to keep memory small."""
_BATCHES_PER_WORKER = 2
"""Batches that are submitted for each worker, so that the next is ready when one is done."""

ClientSpans = list[list[RowSpan]]
"""The rows of some clients, by client."""
ScoredBatch = tuple[int, list[tuple[int, str]]]
"""The number of rows in a batch, and the lines to write, each with the position of its row."""


@dataclass(frozen=True, slots=True)
class Workers:
    """Processes to score with; each loads the model for itself."""

    count: int
    model: Callable[[], Detector]
    """Loads the model; must be picklable."""


def score_file(
    source: Path,
    target: TextIO,
    model: Detector,
    catalogue: Catalogue,
    *,
    thresholds: Thresholds | None = None,
    progress: Callable[[str, int], None] = lambda _what, _rows: None,
    workers: Workers | None = None,
) -> int:
    """Write one line per distinct rating, in the order of the file, and return the number of lines.

    The file is read twice: once to index its rows by client, then client by client, so that a table in any
    order needs little memory. `progress` gets the name of the phase and the number of rows done. `workers`
    changes the duration, not the result.

    Raises:
        InvalidRow: a row cannot be scored.
        ValueError: a column is missing.
    """
    items_of = catalogue.item_counts()
    index = RowIndex(source, items_of, lambda count: progress("reading", count))
    with OrderedLines(len(index)) as lines:
        batches = index.batches(_BATCH_ROWS)
        if workers is None:
            with RowReader(source, index.header, items_of) as reader, _no_collections():
                scorer = BatchScorer(reader, FileScorer(model, catalogue, thresholds or {}))
                _collect(map(scorer.score, batches), lines, progress)
        else:
            _collect(_by_workers(workers, index, batches, catalogue, thresholds or {}), lines, progress)
        csv.writer(target, lineterminator="\n").writerow(COLUMNS)
        return lines.write(target)


def _collect(
    batches: Iterator[ScoredBatch], lines: OrderedLines, progress: Callable[[str, int], None]
) -> None:
    done = 0
    for count, scored in batches:
        for position, line in scored:
            lines.put(position, line)
        done += count
        progress("scoring", done)


class BatchScorer:
    """Reads and scores batches of clients."""

    def __init__(self, reader: RowReader, scorer: FileScorer) -> None:
        self._reader = reader
        self._scorer = scorer

    def score(self, batch: ClientSpans) -> ScoredBatch:
        """Score the rows of a batch.

        Raises:
            InvalidRow: a row cannot be scored.
        """
        positions: dict[int, int] = {}
        clients = []
        for spans in batch:
            client = ClientRows()
            for position, row in self._reader.read(spans):
                positions[row.number] = position
                client.add(row)
            clients.append(client)
        return len(positions), [(positions[number], line) for number, line in self._scorer.lines(clients)]


def _by_workers(
    workers: Workers,
    index: RowIndex,
    batches: Iterator[ClientSpans],
    catalogue: Catalogue,
    thresholds: Thresholds,
) -> Iterator[ScoredBatch]:
    # Spawned, not forked: a fork of a process that runs threads can deadlock.
    arguments = (index.file, index.header, workers.model, catalogue, thresholds)
    pending: deque[Future[ScoredBatch]] = deque()
    with ProcessPoolExecutor(workers.count, get_context("spawn"), _start_worker, arguments) as pool:
        try:
            for batch in batches:
                pending.append(pool.submit(_score_in_worker, batch))
                if len(pending) >= _BATCHES_PER_WORKER * workers.count:
                    yield pending.popleft().result()
            while pending:
                yield pending.popleft().result()
        finally:
            pool.shutdown(cancel_futures=True)


_worker_scorer: list[BatchScorer] = []
"""In a worker process: the scorer made at its start, used for every batch."""


def _start_worker(
    file: Path,
    header: list[str],
    model: Callable[[], Detector],
    catalogue: Catalogue,
    thresholds: Thresholds,
) -> None:
    gc.disable()
    reader = RowReader(file, header, catalogue.item_counts())
    _worker_scorer.append(BatchScorer(reader, FileScorer(model(), catalogue, thresholds)))


def _score_in_worker(batch: ClientSpans) -> ScoredBatch:
    return _worker_scorer[0].score(batch)


@contextmanager
def _no_collections() -> Iterator[None]:
    # Scoring makes millions of short-lived objects without cycles; collecting them took a fifth of the time.
    was_on = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if was_on:
            gc.enable()
