"""Makes the table that compares a practice's own ratings with simulated caseloads."""

from collections import Counter
from pathlib import Path

from rich import box
from rich.table import Table

from lab.evaluation.realism import FigureComparison, compare
from lab.practice_histories import read_histories
from schemas.instruments.settings import InstrumentSettings
from services.runtime.process.progress_bar import step_counter


def realism_table(ratings: Path, cohorts: int, mapping: Path | None = None) -> Table:
    """Compare the ratings in the most frequent instrument with `cohorts` simulated caseloads.

    `mapping` says how the table is read.

    Raises:
        UnreadableTable: a column is missing, or a row does not fit under the header.
        ValueError: the table has no ratings.
    """
    catalogue = InstrumentSettings().catalogue()
    histories = [dyad.forms for dyad in read_histories(ratings, catalogue, mapping).dyads]
    used = Counter(form.order.instrument for forms in histories for form in forms)
    if not used:
        raise ValueError(f"{ratings} has no valid ratings")
    name = used.most_common(1)[0][0]
    same = [[form for form in forms if form.order.instrument == name] for forms in histories]
    same = [forms for forms in same if forms]
    with step_counter("simulating", cohorts) as progress:
        rows = compare(same, catalogue.get(name), cohorts, progress)
    return _table(rows, len(same), cohorts)


def _table(rows: list[FigureComparison], clients: int, cohorts: int) -> Table:
    title = f"Your {clients} clients beside {cohorts} simulated caseloads of as many"
    table = Table(title=title, box=box.SIMPLE_HEAD, pad_edge=False, padding=(0, 0, 0, 1))
    for head in ("", "yours", "5 %", "median", "95 %"):
        table.add_column(head, justify="right" if head else "left")
    for row in rows:
        numbers = (row.real, row.low, row.median, row.high)
        table.add_row(row.name, *(f"{number:.3g}" for number in numbers))
    table.caption = "Levels are on a scale from 0 to 1; percentiles are over caseloads drawn as for training."
    return table
