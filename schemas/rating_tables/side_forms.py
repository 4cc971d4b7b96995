"""Finds forms of outcome, or the therapist's own, in columns beside those of the alliance."""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass

from schemas.instruments.catalogue import Catalogue
from schemas.instruments.instrument import Instrument
from schemas.rating_tables.mark_cells import is_mark, mark_of
from schemas.rating_tables.mark_columns import named_lines, numbered_names
from schemas.rating_tables.table import Table, normalize
from schemas.rating_tables.table_errors import UnclearTable

_FITS = 0.95
"""Least share of the marks that must be possible; the rest may be slips."""
_ITEM_WORDS = ("", "item", "i", "q", "question", "frage", "f")
_TOTAL_WORDS = (
    "",
    "total",
    "totalscore",
    "sum",
    "score",
    "gesamt",
    "summe",
    "summenwert",
    "totaal",
    "totale",
)
_LINES = {
    "ors": (
        (
            "individually", "individual", "individuell", "persoenlich", "personlich", "individuel",
            "individueel",
        ),
        (
            "interpersonally", "interpersonal", "zwischenmenschlich", "interpersonnel", "relationnel",
            "interpersoonlijk", "interpersoneel",
        ),
        ("socially", "social", "sozial", "sociaal", "sociale"),
        ("overall", "gesamt", "gesamteindruck", "insgesamt", "allgemein", "global", "general", "algeheel"),
    ),
}  # fmt: skip
"""How the lines of questionnaires are called whose items stand in columns without numbers."""


@dataclass(frozen=True, slots=True)
class SideForm:
    """A form that is stored and never scored, in the same row as that of the alliance."""

    instrument: Instrument
    columns: tuple[str, ...]
    """Those of the items in their order, or the one of the total."""

    @property
    def has_total(self) -> bool:
        """Whether the column holds the total instead of the items."""
        return len(self.columns) < self.instrument.items

    def is_total(self, name: str) -> bool:
        """Return whether a column is named after the total of this form."""
        return normalize(name) in _total_names(self.instrument)


def guess_side_forms(table: Table, catalogue: Catalogue, taken: Collection[str]) -> tuple[SideForm, ...]:
    """Return the forms whose columns are named after them, with as many items and marks as they have.

    Where a form has both, the items are taken and not the total.
    """
    found = []
    for one in catalogue:
        if one.is_alliance:
            continue
        columns = _items(table, one, taken) or _lines(table, one, taken) or _total(table, one, taken)
        if columns:
            found.append(SideForm(one, columns))
    return tuple(found)


def given_side_forms(
    table: Table, catalogue: Catalogue, given: Mapping[str, Sequence[str]]
) -> tuple[SideForm, ...]:
    """Return the forms that a mapping names (columns by the id of the questionnaire).

    Raises:
        UnclearTable: a questionnaire is unknown or not of this kind, or has another number of items.
    """
    known = {str(one.id): one for one in catalogue if not one.is_alliance}
    for name, columns in given.items():
        if name not in known:
            raise UnclearTable(
                f"stored.{name}: the mapping names a questionnaire that is not known as one that is stored."
                f" Known are {', '.join(known)}."
            )
        if missing := [column for column in columns if column not in table.header]:
            raise UnclearTable(f"stored.{name}: the file has no column {', '.join(missing)}.")
        if len(columns) not in {1, known[name].items}:
            raise UnclearTable(
                f"stored.{name}: the mapping names {len(columns)} columns. It takes {known[name].items}, one"
                " for each item, or one for the total."
            )
    return tuple(SideForm(known[name], tuple(columns)) for name, columns in given.items())


def _items(table: Table, one: Instrument, taken: Collection[str]) -> tuple[str, ...]:
    spelled = normalize(str(one.id))
    names = {f"{form}{word}" for form in (spelled, spelled.rstrip("0123456789")) for word in _ITEM_WORDS}
    for prefix, numbered in numbered_names(table).items():
        numbers, columns = zip(*sorted(numbered), strict=True)
        if (
            prefix in names
            and numbers == tuple(range(1, one.items + 1))
            and not set(columns) & set(taken)
            and _fits(table, columns, one.lowest, one.highest)
        ):
            return tuple(columns)
    return ()


def _lines(table: Table, one: Instrument, taken: Collection[str]) -> tuple[str, ...]:
    words = _LINES.get(str(one.id))
    if words is None:
        return ()
    columns = named_lines(table, words, set(taken), str(one.id))
    places = [table.header.index(name) for name in columns]
    # The word of the last line is one of other forms, too: the lines must stand side by side.
    together = places == list(range(places[0], places[0] + len(places))) if places else False
    return columns if together and _fits(table, columns, one.lowest, one.highest) else ()


def _total(table: Table, one: Instrument, taken: Collection[str]) -> tuple[str, ...]:
    if one.components:
        return ()
    names = _total_names(one)
    columns = [
        name
        for name in table.header
        if normalize(name) in names
        and name not in taken
        and _fits(table, [name], one.lowest_total, one.highest_total)
    ]
    return tuple(columns) if len(columns) == 1 else ()


def _total_names(one: Instrument) -> set[str]:
    spelled = normalize(str(one.id))
    return {f"{spelled}{word}" for word in _TOTAL_WORDS} | {f"{word}{spelled}" for word in _TOTAL_WORDS}


def _fits(table: Table, columns: Sequence[str], lowest: float, highest: float) -> bool:
    cells = [cell for name in columns for cell in table.column(name)]
    marks = [mark for cell in cells if isinstance(mark := mark_of(cell), float)]
    possible = sum(lowest <= mark <= highest for mark in marks)
    return bool(marks) and sum(map(is_mark, cells)) >= 0.8 * len(cells) and possible >= _FITS * len(marks)
