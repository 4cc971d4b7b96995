"""Guesses from the names and cells of a table which column holds which field, and how certain that is."""

from collections import Counter
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, replace

from schemas.rating_tables.column_names import SCORES, SYNONYMS, is_best, likeness
from schemas.rating_tables.date_cells import guess_dates, join_time
from schemas.rating_tables.mark_columns import (
    given_items,
    guess_items,
    is_item,
    therapists_columns,
    why_no_marks,
)
from schemas.rating_tables.role_checks import Doubt, RoleChecks
from schemas.rating_tables.table import Certainty, Table, TableLine
from schemas.rating_tables.table_errors import UnclearTable
from schemas.ratings_csv import REQUIRED as DOCUMENTED

REQUIRED = ("client_id", "session_at")
_THERAPISTS = "their names say that the therapist gave them"


@dataclass(frozen=True, slots=True)
class ColumnMatch:
    """One column and the field that it holds."""

    role: str
    column: str
    certainty: Certainty
    others: tuple[str, ...] = ()
    """Columns that could as well hold the field, by their names and cells."""


@dataclass(frozen=True, slots=True)
class ColumnLayout:
    """Which column holds which field."""

    matches: tuple[ColumnMatch, ...]
    items: tuple[str, ...]
    """The columns with the marks, in the order of the items."""
    items_certainty: Certainty
    doubts: tuple[Doubt, ...] = ()
    """Columns whose names speak for a field and whose cells speak against it, where no other is certain."""

    def get(self, role: str) -> str | None:
        """Return the column of a role, or None."""
        return next((match.column for match in self.matches if match.role == role), None)

    def session_cell(self, line: TableLine) -> str:
        """Return the cell of the session's date, with the time of day from a column of its own."""
        day, clock = (
            line.cells[name] if (name := self.get(role)) else "" for role in ("session_at", "session_time")
        )
        return join_time(day, clock) if day and clock else day

    @property
    def scores(self) -> bool:
        """Whether the table has component scores instead of items."""
        return not self.items and all(self.get(name) for name in SCORES)


def guess_columns(table: Table, given: Mapping[str, str], other: Collection[str] = ()) -> ColumnLayout:
    """Return what each column holds; the fields in `given` (role to column) are not guessed.

    `other` are columns of other forms than that of the alliance. Any other column is taken for a field when
    its name speaks for it and its cells do not speak against it.

    Raises:
        UnclearTable: a given role or column does not exist, a required column was not found, or a row holds
            several sessions.
    """
    _check(table, given)
    matches = [ColumnMatch(role, column, "given") for role, column in given.items() if not is_item(role)]
    items, items_certainty = guess_items(table, given, {*other, *(match.column for match in matches)})
    free = [name for name in table.header if name and name not in items and name not in other]
    ranked = sorted(
        (
            (role == "client_id", fit, -place, role, name)
            for place, name in enumerate(free)
            for role in SYNONYMS
            if (fit := likeness(name, role)) and (role != "client_id" or is_best(name, role, fit))
        ),
        reverse=True,
    )
    checks, doubts = RoleChecks(table), _therapists_own(table)
    is_documented = set(DOCUMENTED) <= set(table.header)
    for _, fit, _, role, name in ranked:
        if any(name == match.column for match in matches):
            continue
        client = next((match.column for match in matches if match.role == "client_id"), None)
        # Under its documented name, a column is what it says; others need all the documented ones.
        is_said = name == role and (is_documented or role == "session_at")
        doubt = None if is_said else checks.doubt(role, name, client)
        if doubt is not None:
            doubts.append(doubt)
            continue
        found = next((match for match in matches if match.role == role), None)
        if found is None:
            matches.append(ColumnMatch(role, name, "sure" if fit == 3 else "likely"))
        elif found.certainty != "given" and fit == likeness(found.column, role):
            as_likely = replace(found, certainty="guess", others=(*found.others, name))
            matches[matches.index(found)] = as_likely
    matches += _guessed_dates(table, free, matches, checks)
    taken = {match.column for match in matches}
    certain = {match.role for match in matches if match.certainty in {"given", "sure"}}
    columns = ColumnLayout(
        tuple(
            replace(match, others=others, certainty=match.certainty if others or not match.others else "sure")
            for match in matches
            for others in [tuple(name for name in match.others if name not in taken)]
        ),
        items,
        items_certainty,
        tuple(doubt for doubt in doubts if doubt.column not in taken and doubt.role not in certain),
    )
    _complete(table, columns, other)
    return columns


def _therapists_own(table: Table) -> list[Doubt]:
    names = therapists_columns(table)
    return [Doubt(f"{names[0]} … {names[-1]}", "the client's marks", _THERAPISTS)] if names else []


def given_columns(table: Table, given: Mapping[str, str]) -> ColumnLayout:
    """Return the columns of the fields in `given`, and no others.

    Raises:
        UnclearTable: a field or a column does not exist, or a required field has no column.
    """
    _check(table, given)
    columns = ColumnLayout(
        tuple(ColumnMatch(role, column, "given") for role, column in given.items() if not is_item(role)),
        given_items(given),
        "given",
    )
    _complete(table, columns)
    return columns


def _guessed_dates(
    table: Table, free: Sequence[str], matches: Sequence[ColumnMatch], checks: RoleChecks
) -> list[ColumnMatch]:
    """Return the first column of dates that can be those of the sessions, when no name speaks for one."""
    if any(match.role == "session_at" for match in matches):
        return []
    taken = {match.column for match in matches}
    client = next((match.column for match in matches if match.role == "client_id"), None)
    return [
        ColumnMatch("session_at", name, "guess")
        for name in free
        if name not in taken and _holds_dates(table, name) and not checks.doubt("session_at", name, client)
    ][:1]


def _check(table: Table, given: Mapping[str, str]) -> None:
    for role, column in given.items():
        if role not in SYNONYMS and not is_item(role):
            known = ", ".join(sorted(SYNONYMS))
            raise UnclearTable(
                f"--map {role}=…: there is no field {role}. The fields are {known}, item_1, item_2 …"
            )
        if column not in table.header:
            raise UnclearTable(f"--map {role}={column}: the file has no such column. {_header(table)}")
    numbers = sorted(int(role[5:]) for role in given if is_item(role))
    if numbers != list(range(1, len(numbers) + 1)):
        raise UnclearTable(
            f"--map names the items {', '.join(map(str, numbers))}: name all of them, from item_1 on without"
            " a gap; a column that is empty may stand for an item that nobody answers."
        )
    twice = [name for name, count in Counter(_whose_alone(given)).items() if count > 1]
    if twice:
        raise UnclearTable(f"--map gives {', '.join(twice)} to several fields: each has a column of its own.")


def _whose_alone(given: Mapping[str, str]) -> list[str]:
    return [
        column for role, column in given.items() if is_item(role) or role in {"client_id", "therapist_id"}
    ]


def _complete(table: Table, columns: ColumnLayout, other: Collection[str] = ()) -> None:
    for role in REQUIRED:
        if columns.get(role) is None:
            doubts = "".join(
                f" {doubt.column}: {doubt.why}." for doubt in columns.doubts if doubt.role == role
            )
            raise UnclearTable(
                f"No column was found for {role}.{doubts} Name it with --map {role}=COLUMN. {_header(table)}"
            )
    if not columns.items and not columns.scores:
        raise UnclearTable(
            f"No columns with marks of the alliance were found. {_why_no_alliance(columns, other)}"
            f"{why_no_marks(table)}Name them with --map item_1=COLUMN"
            f" --map item_2=COLUMN … {_header(table)}"
        )


def _why_no_alliance(columns: ColumnLayout, other: Collection[str]) -> str:
    lines = [
        f"Those of {doubt.column} were not taken, because {doubt.why}. "
        for doubt in columns.doubts
        if doubt.why == _THERAPISTS
    ]
    if other:
        names = list(other)
        lines.append(
            f"{names[0]}{f' … {names[-1]} hold' if len(names) > 1 else ' holds'} another form, which is"
            " stored and never scored; to send it alone, leave out the other columns with numbers. "
        )
    return "".join(lines)


def _header(table: Table) -> str:
    names = [name for name in table.header if name]
    unnamed = len(table.header) - len(names)
    hint = (
        f" {unnamed} columns have no name: write the names of all columns into one line, such as SRS1."
        if unnamed > len(names)
        else ""
    )
    return f"Its columns: {', '.join(names)}.{hint}"


def _holds_dates(table: Table, name: str) -> bool:
    cells: Sequence[str] = table.column(name)
    dates = guess_dates(cells[:200])
    # Numbers are dates only where the name of their column says so.
    return bool(cells) and dates.fits >= 0.9 and not dates.is_number
