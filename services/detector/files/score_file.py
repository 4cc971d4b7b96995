"""Scores a table of ratings to the same numbers as the stream, without broker or database.

Ratings of different clients affect one another only through the statistics of their practice, which some
models read. They are computed first; then clients are scored in batches of some thousand rows, by this
process or by several.
"""

import csv
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TextIO

from schemas.instruments.catalogue import Catalogue
from services.detector.domain.detector import Detector
from services.detector.features.practice_forms import PracticeForms
from services.detector.files.file_scorer import COLUMNS, Thresholds
from services.detector.files.file_statistics import MOST_CLIENTS, StatisticsByPractice, valid_always
from services.detector.files.ordered_lines import OrderedLines
from services.detector.files.row_index import RowIndex
from services.detector.files.table_workers import (
    BatchRunner,
    ClientSpans,
    ScoredBatch,
    ScoredTable,
    Workers,
    batch_runner,
)

_BATCH_ROWS = 8_000
"""Rows that are scored together: enough to keep the model busy, few enough to keep memory small."""
_BATCH_CLIENTS = 100
"""Clients whose forms are read together for the statistics of their practice."""

Progress = Callable[[str, int, int | None], None]
"""Gets the name of the phase, how much is done, and of how much; None: of the rows of the file."""


def score_file(
    source: Path,
    target: TextIO,
    model: Detector,
    catalogue: Catalogue,
    *,
    thresholds: Thresholds | None = None,
    statistics: StatisticsByPractice | None = None,
    progress: Progress = lambda _what, _done, _of: None,
    workers: Workers | None = None,
) -> int:
    """Write one line per distinct rating, in the order of the file, and return the number of lines.

    The file is read once to index its rows by client, then client by client, so that a table in any order
    needs little memory. For a model that reads `statistics`, None stands for those of the file itself: then
    some clients of each practice are read before, too. `workers` changes the duration, not the result.

    Raises:
        InvalidRow: a row cannot be scored.
        UnreadableTable: a column is missing, or a row does not fit under the header.
    """
    index = RowIndex(source, catalogue.item_counts(), lambda count: progress("reading rows", count, None))
    table = ScoredTable(index, catalogue, thresholds or {})
    with OrderedLines(len(index)) as lines:
        with batch_runner(table, model, workers) as runner:
            if statistics is None:
                statistics = _of_the_file(index, runner, progress) if model.uses_statistics else {}
            _collect(runner.score(index.batches(_BATCH_ROWS), statistics), lines, progress)
        csv.writer(target, lineterminator="\n").writerow(COLUMNS)
        return lines.write(target)


def _of_the_file(index: RowIndex, runner: BatchRunner, progress: Progress) -> StatisticsByPractice:
    # Practice after practice, so that the forms of only one are held.
    found = {}
    done = 0
    # Only some clients of each practice are read for it.
    total = sum(len(clients) for _, clients in index.samples(MOST_CLIENTS))
    for practice, clients in index.samples(MOST_CLIENTS):
        forms = PracticeForms()
        for dyads in runner.forms(_some(clients)):
            for dyad, columns in dyads:
                forms.add(dyad, columns)
        found[practice] = valid_always(forms)
        done += len(clients)
        progress("reading clients for the statistics", done, total)
    return found


def _some(clients: ClientSpans) -> Iterator[ClientSpans]:
    for begin in range(0, len(clients), _BATCH_CLIENTS):
        yield clients[begin : begin + _BATCH_CLIENTS]


def _collect(batches: Iterator[ScoredBatch], lines: OrderedLines, progress: Progress) -> None:
    done = 0
    for count, scored in batches:
        for position, line in scored:
            lines.put(position, line)
        done += count
        progress("scoring rows", done, None)
