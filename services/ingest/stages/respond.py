"""Last stage: writes the response. It repeats nothing that was sent but the rating's id."""

from collections.abc import Callable
from typing import Any

import msgspec

from schemas.components import Component
from schemas.events import Mark
from schemas.instruments.scoring import to_units
from services.ingest.request_batch import IngestContext, RatingAttempt, RequestBatch, ScoredForm

_encoder = msgspec.json.Encoder()


async def respond_accepted(context: IngestContext, batch: RequestBatch) -> None:
    """For a single rating: its id and the address of its status.

    Raises:
        Problem: it was refused.
    """
    (attempt,) = batch.attempts
    count(context, batch)
    if attempt.refusal is not None:
        raise attempt.refusal.problem()
    batch.response_body = _encoder.encode(
        {"id": attempt.rating_id, "status": "accepted", "status_url": status_url(context, attempt)}
    )


async def respond_scores(context: IngestContext, batch: RequestBatch) -> None:
    """For a dry run of a single rating: its scores.

    Raises:
        Problem: it would be refused.
    """
    (attempt,) = batch.attempts
    count_dry_run(context, batch)
    if attempt.refusal is not None:
        raise attempt.refusal.problem()
    batch.response_body = _encoder.encode(_valid(attempt))


async def respond_lines(context: IngestContext, batch: RequestBatch) -> None:
    """For a group of lines: one result for each."""
    count(context, batch)
    batch.response_body = _lines(batch, lambda attempt: {"id": attempt.rating_id, "status": "accepted"})


async def respond_lines_with_scores(context: IngestContext, batch: RequestBatch) -> None:
    """For a dry run of a group of lines: scores or errors for each."""
    count_dry_run(context, batch)
    batch.response_body = _lines(batch, _valid)


def _lines(batch: RequestBatch, result_of: Callable[[RatingAttempt], dict[str, Any]]) -> bytes:
    return _encoder.encode_lines(
        [
            {"line": attempt.line.number, **result_of(attempt)}
            if attempt.refusal is None
            else attempt.refusal.line(attempt.line.number, attempt.rating_id)
            for attempt in batch.attempts
        ]
    )


def _valid(attempt: RatingAttempt) -> dict[str, Any]:
    return {"id": attempt.rating_id, "status": "valid", **_scores(attempt.scored)}


def _scores(scored: ScoredForm | None) -> dict[str, Any]:
    if scored is not None and scored.total is not None:
        # It is stored and not scored: its total is all that is shown of it.
        return {"scores": None, "in_units": None, "total": scored.total}
    if scored is None or scored.scores is None:
        return {"scores": None, "in_units": None}
    values: dict[str, Mark] = {
        component.value: getattr(scored.scores, component.value)
        for component in Component
        if component in scored.instrument.components
    }
    return {
        "scores": {name: None if value is None else round(value, 6) for name, value in values.items()},
        "in_units": {
            name: None if value is None else to_units(scored.instrument, value)
            for name, value in values.items()
        },
    }


def status_url(context: IngestContext, attempt: RatingAttempt) -> str:
    """Return the address at which the results API tells what became of a rating."""
    return f"{context.settings.results_url.rstrip('/')}/v1/ratings/{attempt.rating_id}"


def count(context: IngestContext, batch: RequestBatch, *, only_refused: bool = False) -> None:
    """Count the ratings of a request: accepted ones, unless `only_refused`, and refused ones by reason."""
    refused = [attempt.refusal for attempt in batch.attempts if attempt.refusal is not None]
    if not only_refused:
        context.metrics.accepted(len(batch.attempts) - len(refused))
    for refusal in refused:
        context.metrics.refused(refusal.reason)


def count_dry_run(context: IngestContext, batch: RequestBatch) -> None:
    """Count the ratings of a dry run by outcome."""
    valid = len(batch.pending)
    context.metrics.count_dry_run(valid=valid, refused=len(batch.attempts) - valid)
