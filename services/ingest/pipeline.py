"""Lists the stages of ingest in order, for each kind of request."""

from collections.abc import Awaitable, Callable, Sequence

from services.ingest.request_batch import IngestContext, RequestBatch, traced
from services.ingest.stages.admit import authenticate, pace, refuse_excess
from services.ingest.stages.publish import publish
from services.ingest.stages.read_responses import read_response_at_once, read_responses_in_turn
from services.ingest.stages.respond import (
    respond_accepted,
    respond_lines,
    respond_lines_with_scores,
    respond_scores,
)
from services.ingest.stages.respond_outcome import respond_outcome, respond_valid
from services.ingest.stages.validate import validate_at_once, validate_in_turn

Stage = Callable[[IngestContext, RequestBatch], Awaitable[None]]
"""Fills in its part of the batch, or raises a Problem that becomes the response to the whole request."""

SINGLE: Sequence[Stage] = (authenticate, refuse_excess, validate_at_once, publish, respond_accepted)
SINGLE_DRY_RUN: Sequence[Stage] = (authenticate, refuse_excess, validate_at_once, respond_scores)
BATCH: Sequence[Stage] = (authenticate, pace, validate_in_turn, publish, respond_lines)
BATCH_DRY_RUN: Sequence[Stage] = (authenticate, pace, validate_in_turn, respond_lines_with_scores)

FHIR_SINGLE: Sequence[Stage] = (
    authenticate,
    refuse_excess,
    read_response_at_once,
    validate_at_once,
    publish,
    respond_outcome,
)
FHIR_SINGLE_DRY_RUN: Sequence[Stage] = (
    authenticate,
    refuse_excess,
    read_response_at_once,
    validate_at_once,
    respond_valid,
)
FHIR_CHECK: Sequence[Stage] = (authenticate, pace, read_responses_in_turn, validate_in_turn)
FHIR_STORE: Sequence[Stage] = (publish,)
"""A bundle: a transaction is checked as a whole before any of it is stored."""


async def run(stages: Sequence[Stage], context: IngestContext, batch: RequestBatch) -> bytes:
    """Take a batch through the stages and return the body of the response."""
    with traced(batch):
        for stage in stages:
            await stage(context, batch)
    return batch.response_body
