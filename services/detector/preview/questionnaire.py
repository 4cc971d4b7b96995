"""Finds which questionnaire a table holds: as given, as named in the rows, or by which marks occur."""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

from schemas.instruments.catalogue import Catalogue
from schemas.instruments.instrument import Instrument
from services.detector.preview.columns import Certainty, ColumnLayout, normalize
from services.detector.preview.mark_cells import mark_of
from services.detector.preview.table import Table, UnusableTable

_FITS = 0.95
"""Least share of the marks that must be possible on an instrument; the rest may be slips."""
_ON_STEP = 1e-6
_COMMON = 0.01
"""A mark rarer than this share may be a slip and is not shown."""


@dataclass(frozen=True, slots=True)
class Questionnaire:
    """The questionnaire that the rows answer."""

    default: Instrument | None
    """None: each row names its own."""
    by_name: dict[str, Instrument]
    """Questionnaires by their normalized ids and titles, as rows may name them."""
    evidence: str
    """What in the file led to it."""
    certainty: Certainty

    def of(self, name: str) -> Instrument | None:
        """Return the questionnaire of a row that names it `name`; None when it is unknown."""
        return self.default or self.by_name.get(normalize(name))


def guess_questionnaire(
    table: Table, columns: ColumnLayout, catalogue: Catalogue, given: str | None
) -> Questionnaire:
    """Return the questionnaire: given, named in the rows, or guessed from the marks.

    Raises:
        UnusableTable: the given questionnaire is unknown, or the marks fit none.
    """
    names = _names(catalogue)
    ids = ", ".join(str(one.id) for one in catalogue)
    if given is not None:
        instrument = names.get(normalize(given))
        if instrument is None:
            raise UnusableTable(f"--instrument: this questionnaire is unknown. Known are {ids}.")
        return Questionnaire(instrument, names, "you named it", "given")
    column = columns.get("instrument")
    cells = table.column(column) if column else []
    if cells and sum(normalize(cell) in names for cell in cells) >= len(cells) / 2:
        return Questionnaire(None, names, f"the column {column} names it", "sure")
    return _by_marks(table, columns, catalogue, names)


def _names(catalogue: Catalogue) -> dict[str, Instrument]:
    return {normalize(name): one for one in catalogue for name in (str(one.id), one.title)}


def _by_marks(
    table: Table, columns: ColumnLayout, catalogue: Catalogue, names: dict[str, Instrument]
) -> Questionnaire:
    marks = _marks(table, columns.items)
    fitting = [one for one in catalogue if one.items == len(columns.items) and _share(one, marks) >= _FITS]
    if not fitting:
        common = Counter(
            {mark: number for mark, number in marks.items() if number >= _COMMON * marks.total()}
        )
        evidence = _evidence(columns, common)
        ids = ", ".join(f"{one.id} ({_range(one)})" for one in catalogue)
        raise UnusableTable(
            f"No known questionnaire fits the marks ({evidence}). "
            f"Name it with --instrument ID; known are {ids}. "
            "If other columns hold the marks, name them with --map item_1=COLUMN …"
        )
    # The narrowest scale that holds all marks: on a wider one somebody would have marked its end.
    best = min(fitting, key=lambda one: (-round(_share(one, marks), 2), one.highest - one.lowest))
    # A mark outside the scale belongs to an invalid row, and its value is not shown.
    marks = Counter({mark: number for mark, number in marks.items() if _possible(best, mark)})
    return Questionnaire(best, names, _evidence(columns, marks), _certainty(best, fitting, marks))


def _certainty(best: Instrument, fitting: Sequence[Instrument], marks: Counter[float]) -> Certainty:
    count = sum(marks.values())
    # Marks that never reach the upper half probably belong to another scale.
    if not marks or max(marks) < (best.lowest + best.highest) / 2 + 0.01:
        return "guess"
    if len(fitting) == 1 and max(marks) == best.highest and count >= 20 * best.items:
        return "sure"
    return "likely" if count >= 5 * best.items else "guess"


def _marks(table: Table, items: Sequence[str]) -> Counter[float]:
    marks: Counter[float] = Counter()
    for line in table.lines:
        for name in items:
            mark = mark_of(line.cells[name])
            if isinstance(mark, float):
                marks[mark] += 1
    return marks


def _share(instrument: Instrument, marks: Counter[float]) -> float:
    if not marks:
        return 0.0
    return sum(count for mark, count in marks.items() if _possible(instrument, mark)) / sum(marks.values())


def _possible(instrument: Instrument, mark: float) -> bool:
    if not instrument.lowest <= mark <= instrument.highest:
        return False
    steps = (mark - instrument.lowest) / instrument.step
    return not instrument.exact or abs(steps - round(steps)) < _ON_STEP


def _evidence(columns: ColumnLayout, marks: Counter[float]) -> str:
    if not marks:
        return "component scores without items" if columns.scores else "columns of items without any mark"
    whole = all(mark == int(mark) for mark in marks)
    steps = "whole marks" if whole else "marks with decimals"
    return f"{len(columns.items)} items, {steps} from {min(marks):g} to {max(marks):g}"


def _range(one: Instrument) -> str:
    return f"{one.items} items, {one.lowest:g} to {one.highest:g}"
