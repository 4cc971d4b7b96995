"""Unrolls a table with one row for each client and columns for each session into one row for each session."""

import re
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from itertools import pairwise

from schemas.rating_tables.date_cells import guess_dates
from schemas.rating_tables.mark_cells import is_mark, mark_of
from schemas.rating_tables.mark_columns import RESHAPE, guess_items, is_item, names_alliance
from schemas.rating_tables.table import Occasions, Table, TableLine, normalize
from schemas.rating_tables.table_errors import UnclearTable

Series = Mapping[int, str]
"""Columns whose names differ in one number alone, by this number."""
_WORDS = "visit|session|sess|sitzung|seance|sesion|seduta|wave|time|termin|week|woche|occasion|v|t|s|w"
_OCCASION = re.compile(rf"(?i)(?:(?<=[^a-z])|^)(?:{_WORDS})[\s_.\-]*\*")
"""A word for a session, and the place of its number."""
_ITEM = re.compile(r"(?i)(?:item|question|frage|pregunta|q)[\s_.\-]*\*")
_BETWEEN = r"[\s_.()\[\]-]*"
_LEAST_SERIES = 2
"""Columns of marks in each session."""
_MOST_BACKWARDS = 0.1
"""Largest share of dates before that of the session before; some are slips."""
_SHOWN = 5


def unroll(table: Table, given: Mapping[str, str]) -> Table:
    """Return the table with one row for each session; the table itself where its columns do not repeat.

    They do when columns of dates, and at least two of marks, have names that differ in the number of the
    session alone, the same numbers in each. Columns that `given` (role to column) names are not unrolled.

    Raises:
        UnclearTable: the columns seem to repeat, and how cannot be told for certain.
    """
    if any(is_item(role) for role in given) or not set(given.values()).isdisjoint(_numbered(table)):
        return table
    series = _series(table)
    dates = {name: columns for name, columns in series.items() if _hold_dates(table, columns.values())}
    marks = {
        name: columns
        for name, columns in series.items()
        if name not in dates and _hold_marks(table, columns.values())
    }
    for columns in dates.values():
        alike = {name: one for name, one in series.items() if set(one) == set(columns)}
        chosen = _chosen({name: one for name, one in alike.items() if name in marks})
        if chosen is not None and len(chosen) >= _LEAST_SERIES:
            own = {name: one for name, one in alike.items() if name in chosen or name not in marks}
            unrolled = _unrolled(table, own, [*chosen, *(name for name in own if name in dates)])
            over = _left_over(table, chosen, own)
            if _holds_form(unrolled, over):
                _check_equal(over)
                _check_order(table, next(one for name, one in own.items() if name in dates))
                return unrolled
        if chosen is None and any(map(names_alliance, map(normalize, marks))):
            first = next(name for name, one in alike.items() if name in marks)
            raise UnclearTable(
                f"Each row holds the marks of {len(columns)} sessions, and which number in the columns'"
                f" names ({first.replace('*', str(min(columns)))} …) is that of the session cannot be told."
                " Rename them such as srs1_v1: item 1 of session 1."
            )
    _refuse_without_dates(marks, dates)
    return table


def _numbered(table: Table) -> set[str]:
    return {column for columns in _series(table).values() for column in columns.values()}


def _series(table: Table) -> dict[str, dict[int, str]]:
    """Return the columns whose names differ in one number, by the name with `*` in its place."""
    found: dict[str, dict[int, str]] = {}
    broken = set()
    for name in table.header:
        for number in re.finditer(r"(?<!\d)\d{1,3}(?!\d)", name):
            form = f"{name[: number.start()]}*{name[number.end() :]}"
            columns = found.setdefault(form, {})
            if columns.setdefault(int(number[0]), name) != name:
                broken.add(form)
    return {form: columns for form, columns in found.items() if len(columns) > 1 and form not in broken}


def _chosen(series: Mapping[str, Series]) -> Mapping[str, Series] | None:
    """Return the series whose number is the session's; None where two numbers of a name could be it."""
    for kept in (
        series,
        {name: one for name, one in series.items() if _OCCASION.search(name)},
        {name: one for name, one in series.items() if not _ITEM.search(name)},
    ):
        uses = Counter(column for columns in kept.values() for column in columns.values())
        if kept and max(uses.values()) == 1:
            return kept
    return None if series else {}


def _unrolled(table: Table, own: Mapping[str, Series], telling: Sequence[str]) -> Table:
    repeated = {column for columns in own.values() for column in columns.values()}
    fixed = [name for name in table.header if name and name not in repeated]
    names: dict[str, str] = {}
    for form in own:
        short = re.sub(rf"{_BETWEEN}\*{_BETWEEN}$|^\*{_BETWEEN}|\*", "", _OCCASION.sub("*", form))
        names[form] = form if not short or short in fixed or short in names.values() else short
    lines: list[TableLine] = []
    numbers = sorted(next(iter(own.values())))
    for line in table.lines:
        for number in numbers:
            if all(mark_of(line.cells[own[form][number]]) is None for form in telling):
                continue
            origin = {names[form]: columns[number] for form, columns in own.items()}
            cells = {name: line.cells[name] for name in fixed}
            cells |= {name: line.cells[column] for name, column in origin.items()}
            lines.append(TableLine(len(lines) + 2, cells, line.number, origin))
    occasions = Occasions(
        header=table.header,
        numbers=tuple(numbers),
        first=tuple(columns[numbers[0]] for columns in own.values()),
        names=tuple(names.values()),
        empty=len(numbers) * len(table.lines) - len(lines),
    )
    return replace(table, header=(*fixed, *names.values()), lines=tuple(lines), occasions=occasions)


def _holds_form(unrolled: Table, over: Sequence[str]) -> bool:
    """Return whether the marks of a form of the alliance are among the columns that repeat."""
    if unrolled.occasions is None:
        return False
    items, _ = guess_items(unrolled, {}, set(over))
    names = set(unrolled.occasions.names)
    spelled = {normalize(name) for name in names}
    return set(items) <= names if items else {"bond", "goal", "task"} <= spelled


def _left_over(table: Table, chosen: Mapping[str, Series], own: Mapping[str, Series]) -> list[str]:
    """Return the columns that are named like those of marks and are not in every session."""
    letters = {re.sub(r"[\d*]", "", form) for form in chosen}
    repeated = {column for columns in own.values() for column in columns.values()}
    return [
        name
        for name in table.header
        if name not in repeated and re.search(r"\d", name) and re.sub(r"\d", "", name) in letters
    ]


def _check_equal(over: Sequence[str]) -> None:
    if over:
        raise UnclearTable(
            "Each row holds the marks of several sessions, and not each session has the same columns: see"
            f" {', '.join(over[:_SHOWN])}. Add the columns that are missing, empty ones too. {RESHAPE}"
        )


def _check_order(table: Table, dates: Series) -> None:
    form = guess_dates([cell for column in dates.values() for cell in table.column(column)])
    backwards = pairs = 0
    for line in table.lines:
        moments = [moment for _, column in sorted(dates.items()) if (moment := form.read(line.cells[column]))]
        pairs += max(len(moments) - 1, 0)
        backwards += sum(later < earlier for earlier, later in pairwise(moments))
    if backwards > _MOST_BACKWARDS * pairs:
        first, last = dates[min(dates)], dates[max(dates)]
        raise UnclearTable(
            f"Each row seems to hold the marks of several sessions, and {backwards} of the {pairs} dates in"
            f" {first} … {last} are before that of the session before. {RESHAPE}"
        )


def _refuse_without_dates(marks: Mapping[str, Series], dates: Mapping[str, Series]) -> None:
    by_letters: dict[tuple[str, frozenset[int]], list[Series]] = {}
    for form, columns in marks.items():
        if _OCCASION.search(form):
            key = (re.sub(r"\d", "", form), frozenset(columns))
            by_letters.setdefault(key, []).append(columns)
    for (_, numbers), several in by_letters.items():
        if len(several) < _LEAST_SERIES:
            continue
        first, last = several[0][min(numbers)], several[0][max(numbers)]
        dated = "; ".join(f"{one[min(one)]} … {one[max(one)]}" for one in dates.values())
        why = f", and the dates {dated} are not those of the same sessions" if dated else ""
        raise UnclearTable(
            f"Each row holds the marks of {len(numbers)} sessions ({first} …, {last} …){why}. {RESHAPE} If"
            " only one of them is meant, name its columns with --map item_1=COLUMN …"
        )


def _hold_dates(table: Table, columns: Iterable[str]) -> bool:
    cells = [cell for name in columns for cell in table.column(name) if mark_of(cell) is not None]
    dates = guess_dates(cells)
    return bool(cells) and dates.fits >= 0.9 and not dates.is_number


def _hold_marks(table: Table, columns: Iterable[str]) -> bool:
    cells = [cell for name in columns for cell in table.column(name)]
    return any(isinstance(mark_of(cell), float) for cell in cells) and (
        sum(map(is_mark, cells)) >= 0.8 * len(cells)
    )
