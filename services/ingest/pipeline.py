"""The flow of ingest, once for each kind of request: the stages that a parcel goes through, in order."""

from collections.abc import Awaitable, Callable, Sequence

from services.ingest.context import Door
from services.ingest.request_batch import Parcel
from services.ingest.stages.authenticate import authenticate
from services.ingest.stages.limit import pace, refuse_excess
from services.ingest.stages.publish import publish
from services.ingest.stages.respond import (
    answer_accepted,
    answer_lines,
    answer_lines_with_scores,
    answer_scores,
)
from services.ingest.stages.validate import validate_at_once, validate_in_turn

Stage = Callable[[Door, Parcel], Awaitable[None]]
"""Fills in its part of the parcel, or raises a Problem that answers the request as a whole."""

SINGLE: Sequence[Stage] = (authenticate, refuse_excess, validate_at_once, publish, answer_accepted)
SINGLE_DRY_RUN: Sequence[Stage] = (authenticate, refuse_excess, validate_at_once, answer_scores)
BATCH: Sequence[Stage] = (authenticate, pace, validate_in_turn, publish, answer_lines)
BATCH_DRY_RUN: Sequence[Stage] = (authenticate, pace, validate_in_turn, answer_lines_with_scores)


async def run(stages: Sequence[Stage], door: Door, parcel: Parcel) -> bytes:
    """Take a parcel through the stages; returns the answer."""
    for stage in stages:
        await stage(door, parcel)
    return parcel.answer
