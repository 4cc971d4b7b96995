"""Third stage: a line's bytes in; the record to publish out, or what is wrong and what is expected."""

import asyncio
from collections.abc import Sequence

from schemas import topics
from schemas.envelope import HEADERS
from schemas.ids import PracticeId, record_key
from schemas.instruments.scoring import score
from schemas.rating import RatingBody, content_hash, parse_rating, rating_id
from schemas.rating_order import dyad
from schemas.session_rated import session_rated_value
from schemas.validation_errors import InvalidInput, Violation
from services.ingest.context import Door
from services.ingest.refusal import Reason, Refusal
from services.ingest.request_batch import Draft, Parcel, Scored
from services.runtime.http.problem import FieldError
from services.runtime.kafka.record import Outgoing

TURN_LINES = 64
"""A practice's batches leave the processor to others after so many lines: about 2 ms."""

MAX_ERRORS = 20
"""For one rating; whoever sends more wrong fields than that learns it from the first twenty."""


async def validate_at_once(door: Door, parcel: Parcel) -> None:
    """For single ratings: check each and build its record."""
    for draft in parcel.going:
        _validate(door, parcel.practice, draft)


async def validate_in_turn(door: Door, parcel: Parcel) -> None:
    """For batches: the same, a few lines at a time, so that other practices' requests come in between."""
    turn = door.shares.of(parcel.practice).turn
    going = parcel.going
    for start in range(0, len(going), TURN_LINES):
        async with turn:
            for draft in going[start : start + TURN_LINES]:
                _validate(door, parcel.practice, draft)
            await asyncio.sleep(0)


def _validate(door: Door, practice: PracticeId, draft: Draft) -> None:
    if draft.line.body is None:
        limit = door.settings.max_body_bytes
        draft.refusal = Refusal(Reason.TOO_LARGE, f"A line may have at most {limit} bytes.")
        return
    try:
        body = parse_rating(draft.line.body, door.clock.now())
        draft.scored = _scored(door, body)
    except InvalidInput as refused:
        draft.refusal = _refusal(refused.violations)
        return
    hashed = content_hash(body)
    draft.rating_id = rating_id(practice, body, hashed)
    key = record_key(door.key_secret, dyad(practice, body))
    value = session_rated_value(practice, body, accepted_at=door.stamp.next(), key=key, hashed=hashed)
    draft.record = Outgoing(topics.SESSION_RATED.name, key, value, headers=HEADERS)


def _scored(door: Door, body: RatingBody) -> Scored:
    instrument = door.instruments.get(body.instrument)
    marks = body.items if body.items is not None else body.scores
    return Scored(instrument, None if marks is None else score(instrument, marks))


def _refusal(violations: Sequence[Violation]) -> Refusal:
    errors = [FieldError(each.field, each.message, each.expected) for each in violations[:MAX_ERRORS]]
    if any(error.field == "body" and error.expected == "one JSON object" for error in errors):
        return Refusal(Reason.NOT_JSON, "Send one JSON object, in UTF-8.", errors)
    return Refusal(Reason.INVALID, "Correct the named fields and send the rating again.", errors)
