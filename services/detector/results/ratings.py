"""GET /v1/ratings/{id}: the state of one rating, its assessment, and the outcome of each delivery."""

from datetime import datetime, timedelta
from enum import StrEnum
from typing import Annotated, Any, Literal

from fastapi import APIRouter, Path, Response
from msgspec import json
from pydantic import BaseModel

from schemas import topics
from schemas.events import AllianceAssessed, MeasureStored
from schemas.ids import Dyad, InstrumentId, RatingIdentity, SessionId
from services.detector.contracts import encode, unpack_measure, unpack_numbers
from services.detector.domain.outcomes import DeliveryOutcome
from services.detector.published.events import published_assessment
from services.detector.published.measures import published_measure
from services.detector.results.dependencies import SCOPE, Pool, ReadEnds
from services.detector.storage.audit_log import ReadAction, log_read
from services.detector.storage.stored_numbers import InColumns, published_numbers
from services.runtime.consumer.log_ends import LogEnds
from services.runtime.http.credentials import CredentialStore
from services.runtime.http.problem import Problem, published_problem, retry_later
from services.runtime.http.tenant_auth import KeyId, Tenant, tenant_router
from services.runtime.outbox.erasures import Erasures
from services.runtime.outbox.halts import HaltStore
from services.runtime.outbox.positions import PositionStore
from services.runtime.postgres.connect import Connection
from services.runtime.postgres.tenant_guard import act_for

_RATING = """
SELECT d.dyad_id, r.accepted_at, r.current, d.practice_id, d.therapist_id, d.client_id, d.case_id,
    r.session_id, r.instrument, r.measure, a.revision, a.numbers, a.flagged, a.step, a.episode_id,
    a.rating_id, a.session_at, a.model_version, a.risk, a.threshold
FROM detector.rating r JOIN detector.dyad d USING (practice_id, dyad_id)
LEFT JOIN detector.assessment a ON r.current AND a.practice_id = r.practice_id AND a.dyad_id = r.dyad_id
    AND a.session_id = r.session_id AND a.instrument = r.instrument
WHERE r.practice_id = %s AND r.rating_id = %s
"""
_DUPLICATES = """
SELECT accepted_at, superseded FROM detector.duplicate WHERE practice_id = %s AND rating_id = %s
ORDER BY accepted_at
"""
_REJECTIONS = """
SELECT recorded_at, reason FROM detector.rejection
WHERE tenant = %s AND subject_id = %s AND replayed_at IS NULL ORDER BY recorded_at
"""
_BLOCKED = """
SELECT recorded_at, reason FROM detector.blocked WHERE practice_id = %s AND rating_id = %s
ORDER BY recorded_at, partition, "offset"
"""
_ERASED = "SELECT count(*) FROM detector.erased WHERE tenant = %s AND subject = %s"
_ERASED_UNTIL = "SELECT max(erased_at) FROM detector.erasure WHERE tenant = %s"
# The heartbeat of a minute follows, in its partition, everything that was accepted before; null while one
# partition had none. Every partition that was ever read has a row in `epoch`.
_READ_UNTIL = """
SELECT CASE WHEN bool_and(h.minute IS NOT NULL) THEN min(h.minute) END
FROM detector.epoch e LEFT JOIN detector.heartbeat h USING (partition) WHERE e.topic = %s
"""
# Whether a record of this practice that this version could not decode, and another one may, contains this id.
_UNREADABLE = "SELECT detector.holds_unreadable(%s, %s)"
_POSITIONS, _HALTS = PositionStore("detector"), HaltStore("detector")
_RETRY_AFTER_S = 1
_NOT_HELD = (
    "No rating is held under this id, and everything accepted before this request was read. Send it again "
    "with the same id: it counts once. If ingest had answered 202 for it, tell the operator."
)
_RESPONSES: dict[int | str, dict[str, Any]] = {
    200: retry_later({"description": "What is known of the rating; `Retry-After` only with `pending`"}),
    404: published_problem("No such rating: it was never accepted, or is lost; or this key may not see it"),
}
_STILL_ON_ITS_WAY = timedelta(seconds=10)
"""One replica of ingest may accept a rating, for 3 s at most, while another sends the heartbeat."""


class RatingState(StrEnum):
    """The state of a rating."""

    PENDING = "pending"
    """Not read yet; or it cannot be said at the moment whether it ever arrived. Ask again."""
    ASSESSED = "assessed"
    STORED = "stored"
    """It is of outcome, or the therapist's own: it is kept beside the ratings of the alliance, not scored."""
    SUPERSEDED = "superseded"
    DUPLICATE = "duplicate"
    REJECTED = "rejected"
    BLOCKED = "blocked"
    """It waits, for the reason that is given, and takes effect by itself once that no longer holds."""
    ERASED = "erased"
    """Its client, therapist or whole practice was erased after it was accepted: do not send it again."""


class RatingDelivery(BaseModel):
    """One accepted delivery of a rating with this id, and its outcome."""

    outcome: DeliveryOutcome
    at: datetime
    """When it was accepted, or when it was rejected or blocked; for an erased one, when the practice last had
    somebody erased."""
    reason: str | None = None


class EpisodeStanding(BaseModel):
    """What the assessment means for the dyad's episode."""

    flagged: bool
    step: Literal["", "opened", "deepened", "open", "repaired", "settled"]
    episode_id: str | None = None


class RatingStatus(BaseModel):
    """One rating: its state, the assessment if it is current, and every delivery of it."""

    id: str
    status: RatingState
    reason: str | None = None
    read_until: datetime | None = None
    """With `pending`: every rating accepted before this time was read, except those that were sent as
    history."""
    assessment: AllianceAssessed | None = None
    measure: MeasureStored | None = None
    """With `stored`: what is held of it."""
    standing: EpisodeStanding | None = None
    deliveries: list[RatingDelivery]


def rating_router(
    pool: Pool, credentials: CredentialStore, erasures: Erasures, read_ends: ReadEnds
) -> APIRouter:
    """Return the router with the endpoint."""
    router = tenant_router(credentials, SCOPE, prefix="/v1", tag="ratings")

    @router.get("/ratings/{rating_id}", response_model_exclude_none=True, responses=_RESPONSES)
    async def rating(
        practice: Tenant, key_id: KeyId, rating_id: Annotated[str, Path(max_length=128)], response: Response
    ) -> RatingStatus:
        """Return the state of one rating.

        A rating that was not read yet is `pending`. 404 says that no rating is held under this id, and that
        everything accepted before the request was read: it was never accepted, or it is lost. Send it again
        with the same id; it counts once.
        """
        found = await look_up(practice, rating_id, key_id, ends=None)
        if found.status is not RatingState.PENDING:
            return found
        ends = await read_ends()
        # It may have been read while the ends were, so they are looked at first and the tables once more.
        if ends is not None:
            found = await look_up(practice, rating_id, key_id, ends=ends)
        if found.status is RatingState.PENDING:
            response.headers["Retry-After"] = str(_RETRY_AFTER_S)
        return found

    async def look_up(practice: str, rating_id: str, key_id: str, *, ends: LogEnds | None) -> RatingStatus:
        parameters = (practice, rating_id)
        async with pool.connection() as conn:
            # One moment: what stops waiting goes from one table to another.
            await conn.execute("SET TRANSACTION ISOLATION LEVEL REPEATABLE READ")
            await act_for(conn, practice)
            row = await (await conn.execute(_RATING, parameters)).fetchone()
            duplicates = await (await conn.execute(_DUPLICATES, parameters)).fetchall()
            rejections = await (await conn.execute(_REJECTIONS, parameters)).fetchall()
            blocked = await (await conn.execute(_BLOCKED, parameters)).fetchall()
            erased = await _erased(conn, erasures, practice, rating_id)
            unsettled = erased + [
                RatingDelivery(outcome=outcome, at=at, reason=why)
                for outcome, rows in (
                    (DeliveryOutcome.REJECTED, rejections),
                    (DeliveryOutcome.BLOCKED, blocked),
                )
                for at, why in rows
            ]
            if row is not None:
                await log_read(conn, practice, key_id, ReadAction.RATING_READ, [row[0]])
                return _status_of(rating_id, row[1:], duplicates, unsettled)
            if unsettled:
                last = unsettled[-1]
                state = RatingState(last.outcome.value)
                return RatingStatus(id=rating_id, status=state, reason=last.reason, deliveries=unsettled)
            if ends is not None and await _all_read(conn, ends, rating_id):
                raise Problem(404, "No such rating", _NOT_HELD)
            heard = await (await conn.execute(_READ_UNTIL, (topics.SESSION_RATED.name,))).fetchone()
            return RatingStatus(
                id=rating_id, status=RatingState.PENDING, read_until=_moment(heard), deliveries=[]
            )

    return router


async def _all_read(conn: Connection, ends: LogEnds, rating_id: str) -> bool:
    """Return whether everything that the logs held was read, and none of it can be this rating."""
    applied = await _POSITIONS.applied(conn, ends.cluster_id, list(ends.ends))
    if not ends.all_applied(applied):
        return False
    # A log that lost its end may hold, below the position, records that were never read.
    if any(halt.partition in ends.ends for halt in await _HALTS.read(conn, ends.cluster_id)):
        return False
    read = [topic for topic, _ in ends.ends]
    row = await (await conn.execute(_UNREADABLE, (read, json.encode(rating_id)))).fetchone()
    return row == (False,)


async def _erased(
    conn: Connection, erasures: Erasures, practice: str, rating_id: str
) -> list[RatingDelivery]:
    """Return the erased deliveries of a rating; no more than their number is known of them."""
    until = await (await conn.execute(_ERASED_UNTIL, (practice,))).fetchone()
    if until is None or until[0] is None:
        return []
    subject = erasures.hashed(("rating", practice, rating_id))
    row = await (await conn.execute(_ERASED, (practice, subject))).fetchone()
    number = 0 if row is None else row[0]
    return [RatingDelivery(outcome=DeliveryOutcome.ERASED, at=until[0]) for _ in range(number)]


def _moment(heard: tuple[Any, ...] | None) -> datetime | None:
    try:
        return datetime.fromisoformat(heard[0]) - _STILL_ON_ITS_WAY if heard and heard[0] else None
    except ValueError:  # not a heartbeat of ingest
        return None


def _status_of(
    rating_id: str,
    row: tuple[Any, ...],
    duplicates: list[tuple[datetime, bool]],
    unsettled: list[RatingDelivery],
) -> RatingStatus:
    accepted_at, current, practice, therapist, client, case, session, instrument, is_measure, *assessment = (
        row
    )
    counted = DeliveryOutcome.STORED if is_measure else DeliveryOutcome.ASSESSED
    first = counted if current else DeliveryOutcome.SUPERSEDED
    deliveries = [RatingDelivery(outcome=first, at=accepted_at)]
    deliveries += [
        RatingDelivery(outcome=DeliveryOutcome.SUPERSEDED if old else DeliveryOutcome.DUPLICATE, at=at)
        for at, old in duplicates
    ]
    revision, kept, flagged, step, episode, *columns = assessment
    answer = RatingStatus(id=rating_id, status=RatingState(first.value), deliveries=deliveries + unsettled)
    if kept is None:
        return answer
    identity = RatingIdentity(practice, client, SessionId(session), InstrumentId(instrument))
    who = Dyad(practice, therapist, client, case)
    if is_measure:
        held = published_measure(who, identity, revision, unpack_measure(kept))
        return answer.model_copy(update={"measure": MeasureStored.model_validate_json(encode(held))})
    numbers = unpack_numbers(published_numbers(kept, InColumns(*columns)))
    data = published_assessment(who, identity, revision, numbers)
    return answer.model_copy(
        update={
            "assessment": AllianceAssessed.model_validate_json(encode(data)),
            "standing": EpisodeStanding(
                flagged=flagged, step=step, episode_id=str(episode) if episode else None
            ),
        }
    )
