"""Third stage: validates and scores each rating and builds its record, or refuses it with every error."""

import asyncio
from collections.abc import Callable, Sequence

from schemas.ids import record_key
from schemas.instruments.scoring import check_marks, score, total_of
from schemas.rating import RatingBody, content_hash, parse_rating, rating_id
from schemas.rating_order import dyad
from schemas.session_rated import session_rated_value
from schemas.validation_errors import InvalidInput, Violation
from services.ingest.refusal import Refusal, RefusalReason
from services.ingest.request_batch import IngestContext, RatingAttempt, RequestBatch, ScoredForm
from services.runtime.http.problem import FieldError
from services.runtime.kafka.record import Outgoing

TURN_LINES = 64
"""Number of lines after which a batch lets other requests run: about 2 ms."""

Step = Callable[[IngestContext, RequestBatch, RatingAttempt], None]
"""Fills in its part of one attempt, or its refusal."""
_NOT_JSON = frozenset({"one JSON object", "one resource in JSON, in UTF-8"})
MAX_ERRORS = 20
"""Largest number of errors that are reported for one rating."""


async def validate_at_once(context: IngestContext, batch: RequestBatch) -> None:
    """For single ratings: check each and build its record."""
    for attempt in batch.pending:
        _validate(context, batch, attempt)


async def validate_in_turn(context: IngestContext, batch: RequestBatch) -> None:
    """For batches: do the same a few lines at a time, so that other practices' requests come in between."""
    await each_in_turn(context, batch, _validate)


async def each_in_turn(context: IngestContext, batch: RequestBatch, step: Step) -> None:
    """Take each pending attempt through `step`; after a few of them, other practices have their turn."""
    turn = context.quotas.of(batch.practice).turn
    pending = batch.pending
    for start in range(0, len(pending), TURN_LINES):
        async with turn:
            for attempt in pending[start : start + TURN_LINES]:
                step(context, batch, attempt)
            await asyncio.sleep(0)


def _validate(context: IngestContext, batch: RequestBatch, attempt: RatingAttempt) -> None:
    practice = batch.practice
    if attempt.line.body is None:
        limit = context.settings.max_body_bytes
        attempt.refusal = Refusal(RefusalReason.TOO_LARGE, f"A line may have at most {limit} bytes.")
        return
    try:
        body = parse_rating(attempt.line.body, context.clock.now())
        attempt.scored = _scored(context, body)
    except InvalidInput as invalid:
        attempt.refusal = refusal_of(invalid.violations)
        return
    hashed = content_hash(body)
    attempt.rating_id = rating_id(practice, body, hashed)
    key = record_key(context.key_secret, dyad(practice, body))
    value = session_rated_value(
        practice, body, accepted_at=context.acceptance_clock.next(), key=key, hashed=hashed
    )
    attempt.record = Outgoing(batch.topic.name, key, value, headers=batch.headers)


def _scored(context: IngestContext, body: RatingBody) -> ScoredForm:
    instrument = context.instruments.get(body.instrument)
    marks = body.marks
    if marks is None:
        return ScoredForm(instrument, None)
    if instrument.is_alliance and not isinstance(marks, float):
        return ScoredForm(instrument, score(instrument, marks))
    check_marks(instrument, marks)
    return ScoredForm(instrument, None, total_of(instrument, marks))


def refusal_of(violations: Sequence[Violation]) -> Refusal:
    """Return the refusal of a rating with these violations."""
    errors = [FieldError(each.field, each.message, each.expected) for each in violations[:MAX_ERRORS]]
    if any(error.field == "body" and error.expected in _NOT_JSON for error in errors):
        return Refusal(RefusalReason.NOT_JSON, "Send one JSON object, in UTF-8.", errors)
    return Refusal(RefusalReason.INVALID, "Correct the named fields and send the rating again.", errors)
