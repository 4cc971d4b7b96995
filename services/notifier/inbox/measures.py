"""Reads the forms of a therapist's clients that are drawn beside the alliance."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from schemas.events import FORM_STATUSES
from services.notifier.directory.store import Connection


@dataclass(frozen=True, slots=True)
class MeasuredForm:
    """One form."""

    at: datetime
    total: float | None
    """The sum of its marks after reversal; None where no form was given."""


@dataclass(frozen=True, slots=True)
class MeasureSeries:
    """A client's forms by one instrument, oldest first."""

    instrument: str
    forms: tuple[MeasuredForm, ...]


async def find_measures(
    conn: Connection, practice_id: str, therapist_id: str, clients: Sequence[str]
) -> dict[str, list[MeasureSeries]]:
    """Return the series of each of these clients, those with a form only, in the order of the instruments."""
    rows = await conn.execute(
        "SELECT client_id, instrument, session_at, total FROM notifier.measure"
        " WHERE practice_id = %s AND therapist_id = %s AND client_id = ANY(%s) AND status = ANY(%s)"
        " ORDER BY client_id, instrument, session_at, rating_id",
        (practice_id, therapist_id, list(clients), sorted(FORM_STATUSES)),
    )
    forms: dict[tuple[str, str], list[MeasuredForm]] = {}
    for client, instrument, at, total in await rows.fetchall():
        forms.setdefault((client, instrument), []).append(MeasuredForm(at, total))
    found: dict[str, list[MeasureSeries]] = {}
    for (client, instrument), given in forms.items():
        if any(form.total is not None for form in given):
            found.setdefault(client, []).append(MeasureSeries(instrument, tuple(given)))
    return found
