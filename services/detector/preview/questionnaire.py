"""The marks of a table in, the questionnaire that they fit out; with what was seen and how sure that is."""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

from schemas.instruments.catalogue import Catalogue
from schemas.instruments.instrument import Instrument
from services.detector.preview.columns import Columns, Sure, plain
from services.detector.preview.mark_cells import mark_of
from services.detector.preview.table import Table, Unreadable

_FITS = 0.95
"""At least this share of the marks must be possible on an instrument: a few slips are rows to correct."""
_ON_STEP = 1e-6
_COMMON = 0.01
"""A mark that is rarer than this may be a slip, and is not repeated to anybody."""


@dataclass(frozen=True, slots=True)
class Questionnaire:
    """Which questionnaire the rows are of."""

    default: Instrument | None
    """None: each row names its own."""
    by_name: dict[str, Instrument]
    """How rows name them, without case and marks."""
    seen: str
    """What was seen in the file."""
    sure: Sure

    def of(self, name: str) -> Instrument | None:
        """The questionnaire of a row that names it so; None when it is none of ours."""
        return self.default or self.by_name.get(plain(name))


def guess_questionnaire(
    table: Table, columns: Columns, catalogue: Catalogue, told: str | None
) -> Questionnaire:
    """The questionnaire: told, named in the rows, or guessed from the marks.

    Raises:
        Unreadable: it is unknown, or nothing fits the marks.
    """
    names = _names(catalogue)
    ids = ", ".join(str(one.id) for one in catalogue)
    if told is not None:
        instrument = names.get(plain(told))
        if instrument is None:
            raise Unreadable(f"--instrument: there is no such questionnaire. Known are {ids}.")
        return Questionnaire(instrument, names, "you said so", "told")
    column = columns.get("instrument")
    cells = table.column(column) if column else []
    if cells and sum(plain(cell) in names for cell in cells) >= len(cells) / 2:
        return Questionnaire(None, names, f"the column {column} names it", "sure")
    return _by_marks(table, columns, catalogue, names)


def _names(catalogue: Catalogue) -> dict[str, Instrument]:
    return {plain(name): one for one in catalogue for name in (str(one.id), one.title)}


def _by_marks(
    table: Table, columns: Columns, catalogue: Catalogue, names: dict[str, Instrument]
) -> Questionnaire:
    marks = _marks(table, columns.items)
    fitting = [one for one in catalogue if one.items == len(columns.items) and _share(one, marks) >= _FITS]
    if not fitting:
        common = Counter(
            {mark: number for mark, number in marks.items() if number >= _COMMON * marks.total()}
        )
        seen = _seen(columns, common)
        ids = ", ".join(f"{one.id} ({_range(one)})" for one in catalogue)
        raise Unreadable(
            f"Which questionnaire is it? Seen: {seen}. Say it with --instrument ID. Known are {ids}. "
            "If there are other columns of marks, say which count with --map item_1=COLUMN …"
        )
    # The narrowest scale that holds all marks: had a wider one been asked, somebody would have used its end.
    best = min(fitting, key=lambda one: (-round(_share(one, marks), 2), one.highest - one.lowest))
    # What lies beyond the scale is a row to correct: its value is not repeated.
    marks = Counter({mark: number for mark, number in marks.items() if _possible(best, mark)})
    return Questionnaire(best, names, _seen(columns, marks), _how_sure(best, fitting, marks))


def _how_sure(best: Instrument, fitting: Sequence[Instrument], marks: Counter[float]) -> Sure:
    count = sum(marks.values())
    # Marks that leave the upper half of the scale alone are those of another scale.
    if not marks or max(marks) < (best.lowest + best.highest) / 2 + 0.01:
        return "guess"
    if len(fitting) == 1 and max(marks) == best.highest and count >= 20 * best.items:
        return "sure"
    return "likely" if count >= 5 * best.items else "guess"


def _marks(table: Table, items: Sequence[str]) -> Counter[float]:
    found: Counter[float] = Counter()
    for line in table.lines:
        for name in items:
            mark = mark_of(line.cells[name])
            if isinstance(mark, float):
                found[mark] += 1
    return found


def _share(instrument: Instrument, marks: Counter[float]) -> float:
    if not marks:
        return 0.0
    return sum(count for mark, count in marks.items() if _possible(instrument, mark)) / sum(marks.values())


def _possible(instrument: Instrument, mark: float) -> bool:
    if not instrument.lowest <= mark <= instrument.highest:
        return False
    steps = (mark - instrument.lowest) / instrument.step
    return not instrument.exact or abs(steps - round(steps)) < _ON_STEP


def _seen(columns: Columns, marks: Counter[float]) -> str:
    if not marks:
        return "component scores without items" if columns.scores else "columns of items without any mark"
    whole = all(mark == int(mark) for mark in marks)
    steps = "whole marks" if whole else "marks with decimals"
    return f"{len(columns.items)} items, {steps} from {min(marks):g} to {max(marks):g}"


def _range(one: Instrument) -> str:
    return f"{one.items} items, {one.lowest:g} to {one.highest:g}"
