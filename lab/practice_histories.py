"""Reads a practice's table of ratings into one history of forms per dyad, as `rapport score` reads it."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from lab.simulator.instruments import cutoff_share
from schemas.instruments.catalogue import Catalogue
from services.detector.contracts import Rated
from services.detector.domain.form import Form
from services.detector.files.ratings_table import UNNAMED_PRACTICE, InvalidRow, read_dyads

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


def read_histories(file: Path, catalogue: Catalogue) -> PracticeHistories:
    """Read a table of ratings (CSV); of several versions of a rating only the current one is kept.

    Raises:
        UnreadableTable: a column is missing, or a row does not fit under the header.
    """
    invalid: list[InvalidRow] = []
    dyads = []
    for dyad in read_dyads(file, catalogue, invalid.append):
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
    return PracticeHistories(dyads, len(invalid))
