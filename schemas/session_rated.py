"""Encodes the record value of a `SessionRated` event from a validated rating."""

from datetime import UTC, datetime

import msgspec

from schemas.ids import PracticeId, session_rated_event_id
from schemas.rating import RatingBody, content_hash, rating_id

_encode = msgspec.json.Encoder().encode


def session_rated_value(
    practice: PracticeId, body: RatingBody, *, accepted_at: datetime, key: bytes, hashed: str | None = None
) -> bytes:
    """Return the record value of the event, a CloudEvent in JSON.

    The bytes equal those that `schemas.envelope.encode` makes of the event's model. Built without the model
    they cost a fraction of the time, and ingest builds one for every rating.

    Args:
        practice: The practice that the caller's key speaks for.
        body: The validated rating.
        accepted_at: When ingest accepted the rating; time zone aware.
        key: The record's key, `schemas.ids.record_key` of the rating's dyad.
        hashed: The body's content hash, where it is computed already.
    """
    hashed = hashed or content_hash(body)
    rating = rating_id(practice, body, hashed)
    at = accepted_at.astimezone(UTC)
    data: dict[str, object] = {
        "rating_id": rating,
        "practice_id": practice,
        "therapist_id": body.therapist_id,
        "client_id": body.client_id,
        "case_id": body.case_id or "",
        "session_id": body.session_id,
        "session_at": body.session_at,
        "instrument": body.instrument,
        "status": body.status.value,
    }
    if body.items is not None:
        data["items"] = body.items
    if body.scores is not None:
        scores = body.scores
        data["scores"] = {"bond": scores.bond, "goal": scores.goal, "task": scores.task}
    if body.total is not None:
        data["total"] = body.total
    if body.next_session_at is not None:
        data["next_session_at"] = body.next_session_at
    if body.recorded_at is not None:
        data["recorded_at"] = body.recorded_at
    data["accepted_at"] = at
    data["content_hash"] = hashed
    return _encode(
        {
            "specversion": "1.0",
            "id": session_rated_event_id(practice, rating, hashed),
            "source": "/rapport/ingest",
            "time": at,
            "subject": key.decode(),
            "datacontenttype": "application/json",
            "type": "alliance.session-rated.v1",
            "data": data,
        }
    )
