"""Reads the clients of a therapist: their newest sessions, and the item that is open about each."""

import re
from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from schemas.components import Component
from schemas.events import FORM_STATUSES
from services.notifier.directory.store import Connection
from services.notifier.domain.inbox_item import OPEN
from services.notifier.inbox.client_numbers import number_all_clients
from services.notifier.inbox.items import MeasureSeries, find_measures

CLIENTS_A_PAGE = 50
"""More than a therapist sees in a week, and few enough to read and to send at once."""

_CLIENTS = """
FROM (
    SELECT client_id FROM notifier.assessed_session WHERE practice_id = %(practice)s
        AND therapist_id = %(therapist)s AND status = ANY(%(forms)s)
    UNION SELECT client_id FROM notifier.measure WHERE practice_id = %(practice)s
        AND therapist_id = %(therapist)s AND status = ANY(%(forms)s)
    UNION SELECT client_id FROM notifier.item WHERE practice_id = %(practice)s
        AND therapist_id = %(therapist)s AND state = ANY(%(open)s)
) own
"""
_BY_REFERENCE = f"""
SELECT client_id, NULL {_CLIENTS} WHERE strpos(lower(client_id), lower(%(wanted)s)) > 0
ORDER BY client_id COLLATE "C"
"""
_BY_NUMBER = f"""
SELECT client_id, number {_CLIENTS} JOIN notifier.client_number numbered USING (client_id)
WHERE numbered.practice_id = %(practice)s AND numbered.therapist_id = %(therapist)s
    AND (%(wanted)s = '' OR lower(client_id) = lower(%(wanted)s) OR number::text = %(number)s)
ORDER BY number
"""
_NUMBER = re.compile(r"(?:no\.?|nr\.?|#)?\s*(\d{1,9})", re.IGNORECASE | re.ASCII)
"""A number as the pages write it, in either language, or as it is typed."""


@dataclass(frozen=True, slots=True)
class AssessedSession:
    """One session of a client."""

    at: datetime
    instrument: str
    marks: dict[Component, float]
    """In the units of the instrument; empty without a form."""


@dataclass(frozen=True, slots=True)
class CaseloadClient:
    """One client of the therapist."""

    client_id: str
    sessions: tuple[AssessedSession, ...]
    """The newest sessions that are kept, oldest first."""
    open_item: UUID | None
    measures: tuple[MeasureSeries, ...]
    """Beside the alliance."""
    number: int | None
    """Their running number in a practice that hides its own references."""


@dataclass(frozen=True, slots=True)
class Caseload:
    """One page of a therapist's clients."""

    clients: tuple[CaseloadClient, ...]
    """In the order of their references, or of their numbers."""
    found: int
    """Number of clients on all pages."""
    page: int
    """From 1 on."""
    pages: int


async def find_caseload(
    conn: Connection,
    practice_id: str,
    therapist_id: str,
    *,
    numbered: bool,
    wanted: str = "",
    page: int = 1,
) -> Caseload:
    """Return a page of the clients who have a session or an open item; the last one if `page` is after it.

    `wanted` is a part of the reference, or, where references are hidden (`numbered`), a whole reference or a
    number; letter case is ignored.
    """
    if numbered:
        await number_all_clients(conn, practice_id, therapist_id)
    clients_found = _BY_NUMBER if numbered else _BY_REFERENCE
    typed = _NUMBER.fullmatch(wanted)
    values = {
        "practice": practice_id,
        "therapist": therapist_id,
        "forms": sorted(FORM_STATUSES),
        "open": [state.value for state in OPEN],
        "wanted": wanted,
        "number": str(int(typed[1])) if typed else None,
    }
    row = await (await conn.execute(f"SELECT count(*) FROM ({clients_found}) client", values)).fetchone()
    found = row[0] if row is not None else 0
    pages = max(-(-found // CLIENTS_A_PAGE), 1)
    page = min(page, pages)
    place = {"limit": CLIENTS_A_PAGE, "offset": (page - 1) * CLIENTS_A_PAGE}
    rows = await conn.execute(f"{clients_found} LIMIT %(limit)s OFFSET %(offset)s", {**values, **place})
    shown: dict[str, int | None] = dict(await rows.fetchall())
    sessions = await _sessions(conn, {**values, "clients": list(shown)})
    measures = await find_measures(conn, practice_id, therapist_id, list(shown))
    rows = await conn.execute(
        "SELECT client_id, episode_id FROM notifier.item WHERE practice_id = %(practice)s"
        " AND therapist_id = %(therapist)s AND client_id = ANY(%(clients)s) AND state = ANY(%(open)s)"
        " ORDER BY session_at, episode_id",
        {**values, "clients": list(shown)},
    )
    items: dict[str, UUID] = dict(await rows.fetchall())
    clients = (
        CaseloadClient(
            one, tuple(sessions.get(one, ())), items.get(one), tuple(measures.get(one, ())), number
        )
        for one, number in shown.items()
    )
    return Caseload(tuple(clients), found, page, pages)


async def _sessions(conn: Connection, values: dict[str, object]) -> dict[str, list[AssessedSession]]:
    """Return the sessions of `clients` that took place, oldest first."""
    found: dict[str, list[AssessedSession]] = {}
    rows = await conn.execute(
        "SELECT client_id, session_at, instrument, bond, goal, task, overall FROM notifier.assessed_session"
        " WHERE practice_id = %(practice)s AND therapist_id = %(therapist)s"
        " AND client_id = ANY(%(clients)s) AND status = ANY(%(forms)s) ORDER BY session_at, rating_id",
        values,
    )
    for client, at, instrument, bond, goal, task, overall in await rows.fetchall():
        given = zip(
            (Component.BOND, Component.GOAL, Component.TASK, Component.OVERALL),
            (bond, goal, task, overall),
            strict=True,
        )
        marks = {component: mark for component, mark in given if mark is not None}
        found.setdefault(client, []).append(AssessedSession(at, instrument, marks))
    return found
