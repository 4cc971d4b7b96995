"""A validated rating and what ingest knows of it in, the `SessionRated` event out: as model, and as bytes."""

from datetime import UTC, datetime

import msgspec

from schemas.envelope import SessionRatedEvent, envelope_fields
from schemas.events import Scores, SessionRated
from schemas.ids import PracticeId, session_rated_event_id
from schemas.rating import RatingBody, content_hash, rating_id

SOURCE = "ingest"

_encode = msgspec.json.Encoder().encode


def session_rated(
    practice: PracticeId, body: RatingBody, *, accepted_at: datetime, key: bytes, hashed: str | None = None
) -> SessionRatedEvent:
    """The event of a rating accepted at `accepted_at` (aware); `hashed` is its content hash, if at hand."""
    hashed = hashed or content_hash(body)
    rating = rating_id(practice, body, hashed)
    return SessionRatedEvent.model_validate(
        {
            **envelope_fields(
                session_rated_event_id(practice, rating, hashed), SOURCE, accepted_at.astimezone(UTC), key
            ),
            "data": SessionRated(
                rating_id=rating,
                practice_id=practice,
                therapist_id=body.therapist_id,
                client_id=body.client_id,
                case_id=body.case_id or "",
                session_id=body.session_id,
                session_at=body.session_at,
                instrument=body.instrument,
                status=body.status,
                items=body.items,
                scores=Scores(**body.scores.model_dump()) if body.scores else None,
                next_session_at=body.next_session_at,
                recorded_at=body.recorded_at,
                accepted_at=accepted_at.astimezone(UTC),
                content_hash=hashed,
            ),
        }
    )


def session_rated_value(
    practice: PracticeId, body: RatingBody, *, accepted_at: datetime, key: bytes, hashed: str | None = None
) -> bytes:
    """The record value of `session_rated`, byte for byte, several times as fast: for the door of ingest."""
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
            "source": f"/rapport/{SOURCE}",
            "time": at,
            "subject": key.decode(),
            "datacontenttype": "application/json",
            "type": "alliance.session-rated.v1",
            "data": data,
        }
    )
