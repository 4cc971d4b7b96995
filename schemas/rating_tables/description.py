"""Describes in lines of text how a file of ratings was understood, each column with an example value."""

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path

from schemas.rating_tables.ratings import TableRatings
from schemas.rating_tables.reading import TableReading
from schemas.rating_tables.table import InvalidCell
from schemas.rating_tables.table_errors import UnclearTable, UnusableTable

CERTAINTY_WORDS = {
    "given": "given by you", "sure": "certain", "likely": "likely", "guess": "a guess: please check"
}  # fmt: skip
_LONGEST_EXAMPLE = 30
_MOST_INVALID = 12
"""Invalid cells that are named; the others are counted."""


def understood(reading: TableReading) -> list[str]:
    """Return one line for each column that is read, the questionnaire and the dates, and one for the rest."""
    columns, table = reading.columns, reading.table
    lines = _occasions(reading)
    for match in columns.matches:
        others = f"; it could also be {', '.join(match.others)}" if match.others else ""
        example = _example(reading, match.column)
        lines.append(f"{match.role:16} {match.column} ({CERTAINTY_WORDS[match.certainty]}{others}){example}")
    for form in reading.side_forms:
        what = f"{'its total; ' if form.has_total else ''}stored, never scored"
        example = _example(reading, *form.columns)
        lines.append(f"{form.instrument.id!s:16} {_span(form.columns)} ({what}){example}")
    if columns.get("therapist_id") is None:
        therapist = f"{reading.therapist} in all rows (given by you)" if reading.therapist else "not named"
        lines.append(f"{'therapist_id':16} {therapist}")
    if columns.items:
        items = columns.items
        certainty = CERTAINTY_WORDS[columns.items_certainty]
        lines.append(f"{'marks':16} {_span(items)} ({certainty}){_example(reading, *items)}")
    questionnaire = reading.questionnaire
    default = questionnaire.default
    name = "as named in each row" if default is None else f"{default.id}: {default.title}"
    certainty = CERTAINTY_WORDS[questionnaire.certainty]
    lines.append(f"{'questionnaire':16} {name} ({certainty}; {questionnaire.evidence})")
    dates = reading.ratings.dates
    zone = _zones(reading.ratings)
    ambiguous = "; if the month comes first, use --month-first" if dates.ambiguous else ""
    lines.append(f"{'dates':16} {dates.written}{zone}{ambiguous}")
    read = {*columns.items, *(match.column for match in columns.matches)}
    read |= {name for form in reading.side_forms for name in form.columns}
    unread = [name for name in table.header if name and name not in read]
    if unread:
        lines.append(f"{'not read':16} {', '.join(unread)}")
    return lines


def _span(names: Sequence[str]) -> str:
    return f"{names[0]} … {names[-1]}, {len(names)} columns" if len(names) > 1 else names[0]


def _occasions(reading: TableReading) -> list[str]:
    found = reading.table.occasions
    if found is None:
        return []
    certainty = CERTAINTY_WORDS["given" if reading.occasions_given else "guess"]
    return [f"{'sessions':16} {found.in_words} ({certainty}); {len(reading.table.lines)} sessions in all"]


def _zones(ratings: TableRatings) -> str:
    if not ratings.without_zone:
        return ""
    if ratings.without_zone == ratings.dated:
        return "; no time zone, read as UTC"
    return f"; {ratings.without_zone} of {ratings.dated} name no time zone, read as UTC"


def doubts(reading: TableReading) -> list[str]:
    """Return what was not taken for a field, or left out, and why."""
    lines = [f"passed over: {lines}" for lines in reading.table.passed_over]
    lines += [
        f"not taken for {doubt.role}: {doubt.column}, because {doubt.why}" for doubt in reading.columns.doubts
    ]
    lines += [
        f"left out: {rows} rows of {named}, another questionnaire"
        for named, rows in reading.ratings.other_forms.items()
    ]
    lines += stored_lines(reading.ratings.stored)
    if without := reading.ratings.without_form:
        lines.append(f"left out: {without} {'row' if without == 1 else 'rows'} without a date and a mark")
    lines += [
        f"status not known: {word} in {rows} rows, whose appointments count as held"
        for word, rows in reading.ratings.unknown_statuses.items()
    ]
    if reading.ratings.same_day:
        lines.append(
            f"please check: {reading.ratings.same_day} rows are taken for further sessions of a client on"
            " the same day; name the column of the sessions if there is one"
        )
    return lines


def stored_lines(stored: Mapping[str, int]) -> list[str]:
    """Return a line for each questionnaire whose rows are never scored."""
    return [
        f"{rows} {'row' if rows == 1 else 'rows'} of {named}: stored beside the alliance, never scored"
        for named, rows in stored.items()
    ]


def invalid_lines(invalid: tuple[InvalidCell, ...], *, elsewhere: str = "") -> list[str]:
    """Return a line for each of the first invalid cells; `elsewhere` says where the others are listed."""
    lines = [
        f"row {cell.row}, {cell.column}: {cell.message}; expected {cell.expected}"
        for cell in invalid[:_MOST_INVALID]
    ]
    more = len(invalid) - _MOST_INVALID
    return [*lines, f"and {more} more{elsewhere}"] if more > 0 else lines


def described(reading: TableReading) -> list[str]:
    """Return everything that is to be said of a file before its ratings are used."""
    return [*understood(reading), *doubts(reading), *invalid_lines(reading.ratings.invalid)]


def with_cure(error: Exception, file: Path) -> str:
    """Return an error's message, with how a question is answered once for a command that takes a mapping."""
    if not isinstance(error, UnclearTable):
        return str(error)
    return (
        f"{error}\nGive such options to `rapport try {file} --write-mapping practice.toml`, and"
        " --mapping practice.toml here."
    )


@contextmanager
def table_to_map(file: Path) -> Iterator[None]:
    """Add to the errors of a block that reads a file how a question is answered, where there is no --map.

    Raises:
        UnusableTable: the block did.
    """
    try:
        yield
    except UnclearTable as error:
        raise UnusableTable(
            f"{with_cure(error, file)} A command without --mapping takes what `rapport send {file} --mapping"
            " practice.toml --print > ratings.ndjson` writes."
        ) from None


def _example(reading: TableReading, *columns: str) -> str:
    """Return the cells of the first row that fills one of these columns."""
    for line in reading.table.lines:
        cells = [line.cells[name] for name in columns]
        if any(cells):
            filled = " ".join(filter(None, cells))
            text = "".join(char if char.isprintable() else "\N{MIDDLE DOT}" for char in filled)
            cut = len(text) > _LONGEST_EXAMPLE
            return f", such as {text[:_LONGEST_EXAMPLE]}{'…' if cut else ''}"
    return ", no cell is filled"
