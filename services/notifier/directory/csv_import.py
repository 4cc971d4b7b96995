"""Reads a CSV table of therapists into directory entries: either all of them, or every error in it."""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass

from pydantic import TypeAdapter, ValidationError

from schemas.csv_table import MisfitRow, TableReader, TableRow
from schemas.rating import Reference
from services.notifier.channels.channel import ChannelSettings, contact_columns, contact_models
from services.notifier.directory.entry import EntryFields, TherapistEntry, entry_errors, to_therapist
from services.notifier.domain.therapist import Therapist
from services.runtime.http.problem import field_errors

COLUMNS = (
    "therapist_id",
    *EntryFields.model_fields,
    *(column for channel in contact_models() for column in contact_columns(channel).values()),
)
"""`therapist_id` is required; an empty cell takes the default; several channels are separated by blanks."""

_REFERENCE: TypeAdapter[str] = TypeAdapter(Reference)
_TEXTS = ("address", "locale", "time_zone", "supervisor", "mail_timing")
_YES, _NO = frozenset({"yes", "true", "1"}), frozenset({"no", "false", "0"})


@dataclass(frozen=True, slots=True)
class RowError:
    """One error in one line of the table."""

    line: int
    field: str
    message: str
    expected: str


class TherapistTableError(ValueError):
    """The table contains errors; nothing of it was stored."""

    def __init__(self, rows: Iterable[RowError]) -> None:
        self.rows = tuple(rows)
        super().__init__(f"{len(self.rows)} errors in the table")


def read_therapist_table(practice_id: str, table: TableReader, settings: ChannelSettings) -> list[Therapist]:
    """Return the therapists in a table.

    Raises:
        TherapistTableError: it names every line and field with an error.
        UnreadableTable: the rest of the table cannot be read.
    """
    errors = list(_header_errors(table.header))
    if errors:
        raise TherapistTableError(errors)
    found: dict[str, tuple[int, Therapist]] = {}
    for line, texts in _fitting_rows(table, errors):
        cells = {name: text.strip() for name, text in zip(table.header, texts, strict=True)}
        entry, row_errors = _row(cells, line, settings)
        errors += row_errors
        if entry is None:
            continue
        reference = cells["therapist_id"]
        if reference in found:
            first = found[reference][0]
            errors.append(
                RowError(line, "therapist_id", f"is already on line {first}", "one line a therapist")
            )
        found.setdefault(reference, (line, to_therapist(practice_id, reference, entry)))
    if errors:
        raise TherapistTableError(errors)
    return [one for _, one in found.values()]


def _fitting_rows(table: TableReader, errors: list[RowError]) -> Iterator[TableRow]:
    while True:
        try:
            yield next(table)
        except StopIteration:
            return
        except MisfitRow as misfit:
            errors.append(RowError(misfit.line, "", misfit.reason, "the header's number of cells"))


def _header_errors(names: Iterable[str]) -> Iterator[RowError]:
    given = list(names)
    if "therapist_id" not in given:
        yield RowError(1, "therapist_id", "is missing", f"a header with some of {', '.join(COLUMNS)}")
    for name in given:
        if name not in COLUMNS:
            yield RowError(1, name, "is not a known column", f"some of {', '.join(COLUMNS)}")


def _row(
    cells: Mapping[str, str], line: int, settings: ChannelSettings
) -> tuple[TherapistEntry | None, list[RowError]]:
    fields: dict[str, object] = {name: cells[name] for name in _TEXTS if cells.get(name)}
    if cells.get("channels"):
        fields["channels"] = cells["channels"].split()
    quiet = cells.get("quiet", "").lower()
    if quiet:
        fields["quiet"] = quiet in _YES if quiet in _YES | _NO else quiet
    for channel in contact_models():
        contact = {field: cells.get(column, "") for field, column in contact_columns(channel).items()}
        if any(contact.values()):
            fields[channel.value] = contact
    errors = list(_reference_errors(cells["therapist_id"], line))
    try:
        entry = TherapistEntry.model_validate(fields)
    except ValidationError as error:
        found = field_errors(error)
        return None, [*errors, *(RowError(line, one.field, one.message, one.expected) for one in found)]
    errors += [RowError(line, one.field, one.message, one.expected) for one in entry_errors(entry, settings)]
    return entry, errors


def _reference_errors(text: str, line: int) -> Iterator[RowError]:
    try:
        _REFERENCE.validate_python(text)
    except ValidationError:
        expected = "a pseudonymous reference: no blank, no mail address, at most 128 characters"
        yield RowError(line, "therapist_id", "is not a reference", expected)
