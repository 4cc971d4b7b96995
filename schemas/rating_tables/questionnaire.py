"""Finds which questionnaire a table holds: as given, as named in the rows, or by which marks occur."""

import re
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

from schemas.instruments.catalogue import Catalogue
from schemas.instruments.instrument import Instrument
from schemas.rating_tables.columns import ColumnLayout
from schemas.rating_tables.mark_cells import mark_of
from schemas.rating_tables.mark_columns import is_of_somebody_else
from schemas.rating_tables.table import Certainty, Table, TableLine, normalize
from schemas.rating_tables.table_errors import UnclearTable

_FITS = 0.95
"""Least share of the marks that must be possible on an instrument; the rest may be slips."""
_ON_STEP = 1e-6
_OTHER_FORMS = re.compile(
    r"(ors|corsr?|phq\d*|gad\d*|oq\d*|core\d*|coreom|bdi\w*|bsi\d*|who\w*|dass\d*|hads|scl\w*|madrs|pcl\d*|k6|k10)"
)
"""Questionnaires about something else than the alliance, normalized."""
_SIBLING = re.compile(r"(?:c|g|yc)srs")
"""Scales for children and groups, with lines like those of the Session Rating Scale."""
_TURNED_ROUND = re.compile(r"(?i)(.*?\d{1,3})[\s_.\-]*(?:r|rev|reversed|rec|recoded|inv|inverted|umgepolt)")
"""How columns are named that hold an item after its reversal."""
_COMMON = 0.01
"""A mark rarer than this share may be a slip and is not shown."""
_HIGHEST = 10
"""The highest mark of any known scale, and of a component that is a mean of marks."""
_ENOUGH_ROWS = 10
"""Rows from which it is told whether reversed items run against the others."""


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
        """Return the questionnaire of a row that names it `name`; None when it is unknown.

        A row that names one that is not scored holds that one, whatever the others hold.
        """
        named = self.by_name.get(normalize(name)) or _named_within(name, self.by_name)
        return named if named is not None and not named.is_alliance else self.default or named


def guess_questionnaire(
    table: Table, columns: ColumnLayout, catalogue: Catalogue, given: str | None
) -> Questionnaire:
    """Return the questionnaire: given, named in the rows, or guessed from the marks.

    Raises:
        UnclearTable: the given questionnaire is unknown, or the marks fit none.
    """
    names = _names(catalogue)
    ids = ", ".join(str(one.id) for one in catalogue)
    if given is not None:
        instrument = names.get(normalize(given))
        if instrument is None:
            raise UnclearTable(f"--instrument: this questionnaire is unknown. Known are {ids}.")
        return Questionnaire(instrument, names, "you named it", "given")
    column = columns.get("instrument")
    cells = table.column(column) if column else []
    known = [cell for cell in cells if normalize(cell) in names or _named_within(cell, names)]
    if known:
        return Questionnaire(None, names, f"the column {column} names it", "sure")
    if cells:
        raise UnclearTable(
            f"The column {column} names no questionnaire that is known here. If its rows answer one of {ids},"
            " name it with --instrument ID."
        )
    return _by_marks(table, columns, catalogue, names)


def other_form(name: str) -> str | None:
    """Return the name of a well-known questionnaire about something else; None for any other name."""
    spelled = normalize(name)
    return spelled.upper() if _OTHER_FORMS.fullmatch(spelled) else None


def _named_within(name: str, names: dict[str, Instrument]) -> Instrument | None:
    """Return the questionnaire whose id is part of a longer name, such as that of `SRS V3`."""
    spelled = normalize(name)
    if is_of_somebody_else(spelled):
        return None
    words = {normalize(word) for word in name.split()}
    return next((names[known] for known in sorted(names, key=len, reverse=True) if known in words), None)


def _names(catalogue: Catalogue) -> dict[str, Instrument]:
    return {normalize(name): one for one in catalogue for name in (str(one.id), one.title)}


def _by_marks(
    table: Table, columns: ColumnLayout, catalogue: Catalogue, names: dict[str, Instrument]
) -> Questionnaire:
    if columns.scores:
        _refuse_sums(table, columns)
    marks = _marks(table, columns.items)
    catalogue = catalogue.of_alliance
    alike = [one for one in catalogue if one.items == len(columns.items)]
    named = _named_by_columns(columns, alike)
    fitting = [one for one in alike if _share(one, marks) >= _FITS and named in (None, one)]
    if not fitting:
        common = Counter(
            {mark: number for mark, number in marks.items() if number >= _COMMON * marks.total()}
        )
        evidence = _evidence(columns, common)
        ids = ", ".join(f"{one.id} ({_range(one)})" for one in catalogue)
        raise UnclearTable(
            f"No known questionnaire fits the marks ({evidence}). {_turned_round(table, columns)}"
            + (
                f"The columns are named after {named.id} ({_range(named)}). If the practice uses it with"
                " other steps, describe that form in a file of your own (RAPPORT_INSTRUMENTS_DIR in"
                " docs/reference.md). If it is another form, name"
                if named
                else "Name"
            )
            + f" it with --instrument ID; known are {ids}. "
            "If other columns hold the marks, name them with --map item_1=COLUMN …"
        )
    # The narrowest scale that holds all marks: on a wider one somebody would have marked its end.
    best = min(fitting, key=lambda one: (-round(_share(one, marks), 2), one.highest - one.lowest))
    _refuse_fractions(best, columns, marks)
    _check_reversed(table, columns, best)
    # A mark outside the scale belongs to an invalid row, and its value is not shown.
    marks = Counter({mark: number for mark, number in marks.items() if _possible(best, mark)})
    if sibling := _SIBLING.match(normalize(columns.items[0]) if columns.items else ""):
        evidence = (
            f"{_evidence(columns, marks)}; the columns are named {sibling[0]}, which may be another form"
        )
        return Questionnaire(best, names, evidence, "guess")
    return Questionnaire(best, names, _evidence(columns, marks), _certainty(best, fitting, marks))


def _named_by_columns(columns: ColumnLayout, alike: Sequence[Instrument]) -> Instrument | None:
    """Return the questionnaire whose id all columns of marks begin with; the longest id counts."""
    spelled = [normalize(name) for name in columns.items]
    named = [one for one in alike if all(name.startswith(normalize(str(one.id))) for name in spelled)]
    return max(named, key=lambda one: len(one.id), default=None)


def _turned_round(table: Table, columns: ColumnLayout) -> str:
    """Return what to do where items seem to stand in columns of their own after their reversal."""
    found = [match for name in table.header if (match := _TURNED_ROUND.fullmatch(name))]
    stems = {re.sub(r"\d+$", "", name) for name in columns.items}
    alike = [match for match in found if re.sub(r"\d+$", "", match[1]) in stems]
    if not alike:
        return ""
    names, wanted = (", ".join(match[group] for match in alike) for group in (0, 1))
    return (
        f"{names} seem to hold items that were turned round already. Export them as clients marked them,"
        f" named {wanted}. "
    )


def _refuse_sums(table: Table, columns: ColumnLayout) -> None:
    names = [name for role in ("bond", "goal", "task") if (name := columns.get(role))]
    marks = [
        mark for name in names for cell in table.column(name) if isinstance(mark := mark_of(cell), float)
    ]
    if marks and max(marks) > _HIGHEST:
        raise UnclearTable(
            f"The columns {', '.join(names)} seem to hold sums. A component's score is the mean of its items'"
            " marks: divide each sum by the number of its items."
        )


def _refuse_fractions(one: Instrument, columns: ColumnLayout, marks: Counter[float]) -> None:
    # A spreadsheet keeps 86 % as .86, whatever it shows.
    are_fractions = bool(marks) and max(marks) <= 1 < one.highest and any(mark != int(mark) for mark in marks)
    if are_fractions and marks.total() >= _ENOUGH_ROWS:
        raise UnclearTable(
            f"The columns {columns.items[0]} … {columns.items[-1]} hold fractions of 1, as a spreadsheet"
            f" keeps percentages. Write the marks on the questionnaire's own scale ({_range(one)}). If they"
            f" are marks, use --instrument {one.id}."
        )


def _check_reversed(table: Table, columns: ColumnLayout, one: Instrument) -> None:
    """Refuse marks whose reversed items run with the others: another form, or already turned round.

    Raises:
        UnclearTable: in most rows both are on the same side of the middle of the scale.
    """
    if not one.reversed_items:
        return
    middle = (one.lowest + one.highest) / 2
    agreeing = [
        reversed_ * others > 0
        for line in table.lines
        if (reversed_ := _distance(line, columns.items, middle, one.reversed_items))
        and (others := _distance(line, columns.items, middle, _others(one)))
    ]
    if len(agreeing) >= _ENOUGH_ROWS and sum(agreeing) > 0.7 * len(agreeing):
        places = " and ".join(str(item) for item in sorted(one.reversed_items))
        raise UnclearTable(
            f"The marks could be those of {one.id} ({_range(one)}), but its items {places} are marked the"
            " other way round, and here they run with the others. If the file holds the marks as clients gave"
            f" them on {one.id}, use --instrument {one.id}; if it is another form, describe it in a file of"
            " your own (RAPPORT_INSTRUMENTS_DIR in docs/reference.md)."
        )


def _others(one: Instrument) -> frozenset[int]:
    return frozenset(range(1, one.items + 1)) - one.reversed_items


def _distance(line: TableLine, names: Sequence[str], middle: float, items: frozenset[int]) -> float:
    """Return how far the mean mark of some items is above the middle; 0 without a mark."""
    marks = [mark for item in items if isinstance(mark := mark_of(line.cells[names[item - 1]]), float)]
    return sum(marks) / len(marks) - middle if marks else 0.0


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
