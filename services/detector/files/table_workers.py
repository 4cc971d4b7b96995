"""Reads and scores a table's clients in batches, in this process or in several."""

import gc
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future, ProcessPoolExecutor
from contextlib import AbstractContextManager, contextmanager, suppress
from dataclasses import dataclass
from functools import partial
from multiprocessing import get_context
from pathlib import Path
from typing import Protocol, TypeVar

import numpy as np
from numpy.typing import NDArray

from schemas.ids import DyadId
from schemas.instruments.catalogue import Catalogue
from services.detector.domain.detector import Detector
from services.detector.files.file_scorer import FileScorer, Thresholds
from services.detector.files.file_statistics import StatisticsByPractice, dyad_columns
from services.detector.files.ratings_table import ClientRows, InvalidRow, current_sessions
from services.detector.files.row_index import RowIndex, RowReader, RowSpan

_BATCHES_PER_WORKER = 2
"""Batches that are submitted for each worker, so that the next is ready when one is done."""

ClientSpans = list[list[RowSpan]]
"""The rows of some clients, by client."""
ScoredBatch = tuple[int, list[tuple[int, str]]]
"""The number of rows in a batch, and the lines to write, each with the position of its row."""
BatchForms = list[tuple[DyadId, NDArray[np.float64]]]
"""Dyads, each with its forms in order, shape (forms, columns of `FORM_COLUMNS`)."""
Result = TypeVar("Result")


@dataclass(frozen=True, slots=True)
class Workers:
    """Processes to score with; each loads the model for itself."""

    count: int
    model: Callable[[], Detector]
    """Loads the model; must be picklable."""


@dataclass(frozen=True, slots=True)
class ScoredTable:
    """A table, and what it is scored with besides the model."""

    index: RowIndex
    catalogue: Catalogue
    thresholds: Thresholds


class BatchWorker:
    """Works on batches of one table's clients in one process."""

    def __init__(
        self, reader: RowReader, model: Detector, catalogue: Catalogue, thresholds: Thresholds
    ) -> None:
        self._reader = reader
        self._model = model
        self._catalogue = catalogue
        self._thresholds = thresholds

    def forms(self, batch: ClientSpans) -> BatchForms:
        """Return the forms of a batch's dyads; rows that cannot be scored have none."""
        clients = []
        for spans in batch:
            client = ClientRows()
            for _, row in self._reader.read(spans):
                with suppress(InvalidRow):
                    client.add(row)
            clients.append(client)
        return [
            (dyad.id, dyad_columns(dyad))
            for dyad in current_sessions(clients, self._catalogue, lambda _row: None)
        ]

    def score(self, batch: ClientSpans, statistics: StatisticsByPractice) -> ScoredBatch:
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
        dyads = list(current_sessions(clients, self._catalogue, _stop))
        scorer = FileScorer(self._model, self._thresholds, statistics)
        return len(positions), [(positions[number], line) for number, line in scorer.lines(dyads)]


def _stop(invalid: InvalidRow) -> None:
    raise invalid


class BatchRunner(Protocol):
    """Works on batches one after another, and yields the results in their order."""

    def forms(self, batches: Iterable[ClientSpans]) -> Iterator[BatchForms]:
        """Yield the forms of each batch's dyads."""

    def score(
        self, batches: Iterable[ClientSpans], statistics: StatisticsByPractice
    ) -> Iterator[ScoredBatch]:
        """Yield what is to be written of each batch."""


def batch_runner(
    table: ScoredTable, model: Detector, workers: Workers | None
) -> AbstractContextManager[BatchRunner]:
    """Start the workers, or none: this process then does the work."""
    return _in_this_process(table, model) if workers is None else _in_several(table, workers)


class _Alone:
    def __init__(self, worker: BatchWorker) -> None:
        self._worker = worker

    def forms(self, batches: Iterable[ClientSpans]) -> Iterator[BatchForms]:
        return map(self._worker.forms, batches)

    def score(
        self, batches: Iterable[ClientSpans], statistics: StatisticsByPractice
    ) -> Iterator[ScoredBatch]:
        return (self._worker.score(batch, statistics) for batch in batches)


@contextmanager
def _in_this_process(table: ScoredTable, model: Detector) -> Iterator[BatchRunner]:
    index, catalogue = table.index, table.catalogue
    with RowReader(index.file, index.header, index.items_of) as reader, _no_collections():
        yield _Alone(BatchWorker(reader, model, catalogue, table.thresholds))


class _Several:
    def __init__(self, pool: ProcessPoolExecutor, count: int) -> None:
        self._pool = pool
        self._count = count

    def forms(self, batches: Iterable[ClientSpans]) -> Iterator[BatchForms]:
        return self._each(_forms_in_worker, batches)

    def score(
        self, batches: Iterable[ClientSpans], statistics: StatisticsByPractice
    ) -> Iterator[ScoredBatch]:
        return self._each(partial(_score_in_worker, statistics=statistics), batches)

    def _each(
        self, work: Callable[[ClientSpans], Result], batches: Iterable[ClientSpans]
    ) -> Iterator[Result]:
        pending: deque[Future[Result]] = deque()
        for batch in batches:
            pending.append(self._pool.submit(work, batch))
            if len(pending) >= _BATCHES_PER_WORKER * self._count:
                yield pending.popleft().result()
        while pending:
            yield pending.popleft().result()


@contextmanager
def _in_several(table: ScoredTable, workers: Workers) -> Iterator[BatchRunner]:
    # Spawned, not forked: a fork of a process that runs threads can deadlock.
    index = table.index
    arguments = (index.file, index.header, workers.model, table.catalogue, table.thresholds)
    with ProcessPoolExecutor(workers.count, get_context("spawn"), _start_worker, arguments) as pool:
        try:
            yield _Several(pool, workers.count)
        finally:
            pool.shutdown(cancel_futures=True)


_worker: list[BatchWorker] = []
"""In a worker process: what its start made, used for every batch."""


def _start_worker(
    file: Path,
    header: list[str],
    model: Callable[[], Detector],
    catalogue: Catalogue,
    thresholds: Thresholds,
) -> None:
    gc.disable()
    reader = RowReader(file, header, catalogue.item_counts())
    _worker.append(BatchWorker(reader, model(), catalogue, thresholds))


def _forms_in_worker(batch: ClientSpans) -> BatchForms:
    return _worker[0].forms(batch)


def _score_in_worker(batch: ClientSpans, statistics: StatisticsByPractice) -> ScoredBatch:
    return _worker[0].score(batch, statistics)


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
