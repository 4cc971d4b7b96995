"""Reads a practice's table of ratings into one history of forms per dyad, as `rapport score` reads it."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import typer

from lab.simulator.instruments import cutoff_share
from schemas.instruments.catalogue import Catalogue
from schemas.rating_tables.canonical_table import canonical_table
from schemas.rating_tables.description import described, table_to_map
from schemas.rating_tables.reading_options import GUESS_ALL, read_mapping
from services.detector.domain.form import Form
from services.detector.files.ratings_table import UNNAMED_PRACTICE, InvalidRow, read_dyads
from services.detector.received import Rated

SessionKey = tuple[str, str, str]
"""Practice, client and session."""


@dataclass(frozen=True, slots=True)
class DyadHistory:
    """One dyad of a table."""

    practice_id: str
    """Empty where the table names no practice."""
    client_id: str
    forms: Sequence[Form]
    """The current version of each session's form, in the order of the sessions; declined forms included."""
    ratings: Sequence[Rated]
    """The rating that each form was made from."""
    cutoff: float | None
    """The published cutoff of the newest session's instrument, as a share of its highest total."""

    def key(self, form: Form) -> SessionKey:
        """Return what identifies a form's session in a table of labels."""
        return self.practice_id, self.client_id, str(form.order.session_id)


@dataclass(frozen=True, slots=True)
class PracticeHistories:
    """What a table holds."""

    dyads: Sequence[DyadHistory]
    invalid_rows: int
    """Rows that the stream would reject; they are in no history."""

    @property
    def name_practices(self) -> bool:
        """Whether the table has practices, so that labels must name the same ones."""
        return any(dyad.practice_id for dyad in self.dyads)


def read_histories(file: Path, catalogue: Catalogue, mapping: Path | None = None) -> PracticeHistories:
    """Read a table of ratings; of several versions of a rating only the current one is kept.

    How a table in another form than the documented one was understood is printed. `mapping` is the file that
    says how to read it.

    Raises:
        UnreadableTable: a row does not fit under the header.
        UnusableTable: a table in another form than the documented one cannot be understood.
    """
    invalid: list[InvalidRow] = []
    dyads = []
    options = read_mapping(mapping) if mapping else GUESS_ALL
    with table_to_map(file), canonical_table(file, catalogue, options) as table:
        for line in [] if table.reading is None else described(table.reading):
            typer.echo(line, err=True)
        unread = 0 if table.reading is None else table.reading.ratings.unread
        current = read_dyads(table.file, catalogue, invalid.append)
    for dyad in current:
        sessions = [(each.form, each.version.rating) for each in dyad.sessions if each.form is not None]
        forms = [form for form, _ in sessions]
        practice = str(dyad.who.practice_id)
        dyads.append(
            DyadHistory(
                practice_id="" if practice == UNNAMED_PRACTICE else practice,
                client_id=str(dyad.who.client_id),
                forms=forms,
                ratings=[rating for _, rating in sessions],
                cutoff=cutoff_share(catalogue.get(forms[-1].order.instrument)),
            )
        )
    return PracticeHistories(dyads, len(invalid) + unread)
