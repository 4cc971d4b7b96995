"""Reads the clients of a therapist: their newest sessions, and the item that is open about each."""

from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from schemas.components import Component
from schemas.events import FORM_STATUSES
from services.notifier.directory.store import Connection
from services.notifier.domain.inbox_item import OPEN


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


async def find_caseload(conn: Connection, practice_id: str, therapist_id: str) -> list[CaseloadClient]:
    """Return every client of the therapist with a session or an open item, in the order of their ids."""
    key = (practice_id, therapist_id)
    sessions: dict[str, list[AssessedSession]] = {}
    rows = await conn.execute(
        "SELECT client_id, session_at, instrument, bond, goal, task, overall FROM notifier.assessed_session"
        " WHERE practice_id = %s AND therapist_id = %s AND status = ANY(%s) ORDER BY session_at, rating_id",
        (*key, sorted(FORM_STATUSES)),
    )
    for client, at, instrument, bond, goal, task, overall in await rows.fetchall():
        given = zip(
            (Component.BOND, Component.GOAL, Component.TASK, Component.OVERALL),
            (bond, goal, task, overall),
            strict=True,
        )
        marks = {component: mark for component, mark in given if mark is not None}
        sessions.setdefault(client, []).append(AssessedSession(at, instrument, marks))
    rows = await conn.execute(
        "SELECT client_id, episode_id FROM notifier.item WHERE practice_id = %s AND therapist_id = %s"
        " AND state = ANY(%s) ORDER BY session_at, episode_id",
        (*key, [state.value for state in OPEN]),
    )
    items: dict[str, UUID] = dict(await rows.fetchall())
    return [
        CaseloadClient(client, tuple(sessions.get(client, ())), items.get(client))
        for client in sorted(sessions.keys() | items.keys())
    ]
