"""GET /v1/episodes and /v1/episodes/{id}: a practice's episodes with their changes and answers."""

from datetime import datetime
from typing import Annotated, Any
from uuid import UUID

from fastapi import APIRouter, Query
from pydantic import BaseModel

from schemas.events import Answer, EpisodeChanged, TrajectoryPoint
from services.detector.results.dependencies import SCOPE, Pool
from services.detector.storage.audit_log import ReadAction, log_read
from services.runtime.http import paging
from services.runtime.http.credentials import CredentialStore
from services.runtime.http.problem import Problem
from services.runtime.http.tenant_auth import KeyId, Tenant, tenant_router
from services.runtime.outbox import pages
from services.runtime.postgres.tenant_guard import connection_for

_COLUMNS = """episode_id, revision, state, therapist_id, client_id, case_id, opened_session, opened_at,
closed_at, kept_back"""
_PAGE = f"""
SELECT e.xid::text, e.seq, dyad_id, {_COLUMNS} FROM detector.episode e
WHERE practice_id = %(practice)s AND {pages.after("e")} ORDER BY {pages.order("e")} LIMIT %(limit)s
"""
_ONE = f"SELECT dyad_id, {_COLUMNS} FROM detector.episode WHERE practice_id = %s AND episode_id = %s"
_CHANGES = """
SELECT changed_at, data FROM detector.episode_change
WHERE practice_id = %s AND episode_id = %s ORDER BY revision
"""
_ANSWERS = """
SELECT answer_revision, answer, responded_at FROM detector.response
WHERE practice_id = %s AND episode_id = %s ORDER BY answer_revision
"""


class EpisodeSummary(BaseModel):
    """One episode with its state: open, acknowledged, repaired, settled, unrepaired, ended or withdrawn."""

    episode_id: UUID
    revision: int
    state: str
    therapist_id: str
    client_id: str
    case_id: str
    opened_session: str
    opened_at: datetime
    closed_at: datetime | None
    kept_back: str | None
    """Why no message was sent; None when the therapist was told."""


class EpisodePage(BaseModel):
    """A page of episodes in the order of their last changes; `after=next` asks for the next page."""

    episodes: list[EpisodeSummary]
    next: str | None
    """None when the page is empty; ask again later with the same `after`."""


class PublishedChange(BaseModel):
    """One change as it was published."""

    at: datetime
    data: EpisodeChanged


class EpisodeAnswer(BaseModel):
    """One answer of the therapist."""

    answer_revision: int
    answer: Answer
    at: datetime


class EpisodeDetail(EpisodeSummary):
    """One episode with its changes and answers, oldest first, and the trajectory of the last change."""

    changes: list[PublishedChange]
    answers: list[EpisodeAnswer]
    trajectory: list[TrajectoryPoint]


def episode_router(pool: Pool, credentials: CredentialStore) -> APIRouter:
    """Return the router with the two endpoints."""
    router = tenant_router(credentials, SCOPE, prefix="/v1", tag="episodes")

    @router.get("/episodes")
    async def episodes(
        practice: Tenant,
        key_id: KeyId,
        after: Annotated[str | None, Query(max_length=100)] = None,
        limit: Annotated[int, Query(ge=1, le=1000)] = 100,
    ) -> EpisodePage:
        """Return episodes that changed after the cursor. An episode that changes again appears again."""
        start = paging.decode_cursor(after)
        async with connection_for(pool, practice) as conn:
            position = await pages.page_parameters(conn, start, "detector")
            rows = await (
                await conn.execute(_PAGE, {"practice": practice, "limit": limit, **position})
            ).fetchall()
            await log_read(conn, practice, key_id, ReadAction.EPISODES_READ, {row[2] for row in rows})
        last = paging.encode_cursor(paging.Cursor(int(rows[-1][0]), rows[-1][1])) if rows else None
        return EpisodePage(episodes=[EpisodeSummary(**_fields(row[3:])) for row in rows], next=last)

    @router.get("/episodes/{episode_id}")
    async def episode(practice: Tenant, key_id: KeyId, episode_id: UUID) -> EpisodeDetail:
        """Return one episode with all its changes."""
        async with connection_for(pool, practice) as conn:
            row = await (await conn.execute(_ONE, (practice, episode_id))).fetchone()
            if row is None:
                raise Problem(404, "Not found")
            changes = await (await conn.execute(_CHANGES, (practice, episode_id))).fetchall()
            answers = await (await conn.execute(_ANSWERS, (practice, episode_id))).fetchall()
            await log_read(
                conn, practice, key_id, ReadAction.EPISODE_READ, [row[0]], detail=f"episode {episode_id}"
            )
        published = [PublishedChange(at=at, data=EpisodeChanged.model_validate(data)) for at, data in changes]
        return EpisodeDetail(
            **_fields(row[1:]),
            changes=published,
            answers=[EpisodeAnswer(answer_revision=n, answer=a, at=at) for n, a, at in answers],
            trajectory=list(published[-1].data.trajectory) if published else [],
        )

    return router


def _fields(row: tuple[Any, ...]) -> dict[str, Any]:
    return dict(zip((name.strip() for name in _COLUMNS.split(",")), row, strict=True))
