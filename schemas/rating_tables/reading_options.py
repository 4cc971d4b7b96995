"""Holds what is known of a file of ratings before it is read, and keeps it in a practice's mapping file."""

import json
import tomllib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from schemas.rating_tables.date_cells import DateOrder
from schemas.rating_tables.table_errors import UnusableTable

_HEAD = (
    "How Rapport reads the exports of this practice: written by `rapport try --write-mapping`,\n"
    "taken by `rapport send`, `score`, `try`, `evaluate` and `train` with --mapping."
)


@dataclass(frozen=True, slots=True)
class ReadingOptions:
    """What is known of a file before it is read; the rest is guessed."""

    fields: Mapping[str, str] = field(default_factory=dict)
    """Columns by the fields that they hold."""
    instrument: str | None = None
    """The questionnaire of all rows."""
    month_first: bool = False
    """3/4 is March 4, where both readings fit all dates."""
    therapist: str | None = None
    """The therapist of all rows, where no column holds one."""
    replace_references: bool = False
    """References that look like names are replaced instead of refused."""
    header: tuple[str, ...] | None = None
    """The columns that the file must have, in any order: no other field is then guessed. None: any."""
    dates: DateOrder | None = None
    """The order of year, month and day; None: guessed."""
    sheet: str | None = None
    """The sheet of a workbook; None: the only one that holds anything."""

    several_sessions: bool = False
    """Each row holds several sessions, as the names of the columns say."""
    stored: Mapping[str, Sequence[str]] = field(default_factory=dict)
    """Columns of forms that are only stored, by the questionnaire's id: the items', or the total's."""


GUESS_ALL = ReadingOptions()
"""Nothing is known of the file."""


class _MappingFile(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)

    columns: tuple[str, ...] = Field(min_length=1)
    fields: dict[str, str] = Field(min_length=1)
    dates: DateOrder
    instrument: str | None = None
    therapist: str | None = None
    sheet: str | None = None
    several_sessions: bool = False
    stored: dict[str, tuple[str, ...]] = Field(default_factory=dict)


def read_mapping(file: Path) -> ReadingOptions:
    """Read a mapping file.

    Raises:
        UnusableTable: it is no mapping file; the message names the place.
    """
    try:
        mapping = _MappingFile.model_validate(tomllib.loads(file.read_text(encoding="utf-8")))
    except (tomllib.TOMLDecodeError, UnicodeDecodeError, ValidationError) as error:
        reasons = (
            [f"{'.'.join(map(str, one['loc']))}: {one['msg']}" for one in error.errors()]
            if isinstance(error, ValidationError)
            else [str(error)]
        )
        raise UnusableTable(
            f"{file} is no mapping file ({'; '.join(reasons)}). Write one with `rapport try FILE"
            f" --write-mapping {file.name}`."
        ) from None
    return ReadingOptions(
        fields=mapping.fields,
        instrument=mapping.instrument,
        therapist=mapping.therapist,
        header=mapping.columns,
        dates=mapping.dates,
        sheet=mapping.sheet,
        several_sessions=mapping.several_sessions,
        stored=mapping.stored,
    )


def write_mapping(options: ReadingOptions, file: Path) -> None:
    """Write a mapping file; `options` must have `header` and `dates`."""
    if options.header is None or options.dates is None:
        raise AssertionError("a mapping names the columns and the order of dates")
    single = {
        "sheet": options.sheet,
        "instrument": options.instrument,
        "dates": options.dates,
        "therapist": options.therapist,
    }
    columns = "".join(f"  {_text(name)},\n" for name in options.header)
    file.write_text(
        "".join(f"# {line}\n" for line in _HEAD.splitlines())
        + f"columns = [\n{columns}]\n"
        + "".join(f"{name} = {_text(value)}\n" for name, value in single.items() if value is not None)
        + ("several_sessions = true\n" if options.several_sessions else "")
        + "\n[fields]\n"
        + "".join(f"{role} = {_text(column)}\n" for role, column in options.fields.items())
        + (
            "\n# Forms in the same rows that are stored and never scored.\n[stored]\n"
            if options.stored
            else ""
        )
        + "".join(
            f"{_text(name)} = [{', '.join(map(_text, columns))}]\n"
            for name, columns in options.stored.items()
        ),
        encoding="utf-8",
    )


def _text(value: str) -> str:
    # A string of JSON is one of TOML, too, except that TOML wants this character escaped.
    return json.dumps(value, ensure_ascii=False).replace("\x7f", "\\u007f")
