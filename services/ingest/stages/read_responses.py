"""Stage before validation, for FHIR: turns each QuestionnaireResponse into the rating that it means."""

import msgspec

from schemas.fhir.response_rating import decode_response, read_response
from schemas.validation_errors import InvalidInput
from services.ingest.ndjson import BodyLine
from services.ingest.request_batch import IngestContext, RatingAttempt, RequestBatch
from services.ingest.stages.validate import each_in_turn, refusal_of


async def read_response_at_once(context: IngestContext, batch: RequestBatch) -> None:
    """For a single response: read it from the body."""
    for attempt in batch.pending:
        _read(context, batch, attempt)


async def read_responses_in_turn(context: IngestContext, batch: RequestBatch) -> None:
    """For a bundle: the same a few at a time, so that other practices' requests come in between."""
    await each_in_turn(context, batch, _read)


def _read(context: IngestContext, batch: RequestBatch, attempt: RatingAttempt) -> None:
    try:
        response = decode_response(attempt.line.body or b"")
        attempt.meaning = read_response(response, context.instruments, batch.along)
    except InvalidInput as invalid:
        attempt.refusal = refusal_of(invalid.violations)
        return
    attempt.line = BodyLine(attempt.line.number, msgspec.json.encode(attempt.meaning.body))
