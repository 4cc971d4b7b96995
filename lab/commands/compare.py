"""A table of ratings in, a table for a terminal out that compares it with simulated caseloads."""

from collections import Counter
from pathlib import Path

import typer
from rich import box
from rich.table import Table

from lab.evaluation.practice_ratings import read_forms
from lab.evaluation.realism import Compared, compare
from lab.simulator.instruments import SHIPPED
from schemas.instruments.settings import InstrumentSettings
from services.runtime.process.progress_bar import step_counter


def realism_table(ratings: Path, cohorts: int) -> Table:
    """The figures of the ratings in the instrument that most of them are in, beside simulated ones.

    Raises:
        typer.BadParameter: that instrument is none that is simulated, or there are no ratings.
    """
    histories = list(read_forms(ratings, InstrumentSettings().catalogue()).histories.values())
    used = Counter(str(form.order.instrument) for forms in histories for form in forms)
    name = used.most_common(1)[0][0] if used else ""
    shapes = {shape.name: shape for shape in SHIPPED}
    if name not in shapes:
        raise typer.BadParameter(f"give ratings in one of: {', '.join(sorted(shapes))}")
    mine = [[form for form in forms if form.order.instrument == name] for forms in histories]
    mine = [forms for forms in mine if forms]
    with step_counter("simulating", cohorts) as told:
        rows = compare(mine, shapes[name], cohorts, lambda done: told(str(done)))
    return _table(rows, len(mine), cohorts)


def _table(rows: list[Compared], clients: int, cohorts: int) -> Table:
    title = f"Your {clients} clients beside {cohorts} simulated caseloads of as many"
    table = Table(title=title, box=box.SIMPLE_HEAD, pad_edge=False, padding=(0, 0, 0, 1))
    for head in ("", "yours", "5 %", "median", "95 %"):
        table.add_column(head, justify="right" if head else "left")
    for row in rows:
        numbers = (row.real, row.low, row.middle, row.high)
        table.add_row(row.name, *(f"{number:.3g}" for number in numbers))
    table.caption = "Levels on a scale from 0 to 1; percentiles over caseloads drawn as for training."
    return table
