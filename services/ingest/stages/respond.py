"""Last stage: what became of the ratings in, what the caller reads out: nothing that was sent but the id."""

from collections.abc import Callable
from typing import Any

import msgspec

from schemas.events import Component
from schemas.instruments.scoring import to_units
from services.ingest.context import Door
from services.ingest.request_batch import Draft, Parcel, Scored

_encoder = msgspec.json.Encoder()


async def answer_accepted(door: Door, parcel: Parcel) -> None:
    """For a single rating: where to ask what became of it.

    Raises:
        Problem: it was refused.
    """
    (draft,) = parcel.drafts
    _count(door, parcel)
    if draft.refusal is not None:
        raise draft.refusal.problem()
    status_url = f"{door.settings.results_url.rstrip('/')}/v1/ratings/{draft.rating_id}"
    parcel.answer = _encoder.encode({"id": draft.rating_id, "status": "accepted", "status_url": status_url})


async def answer_scores(door: Door, parcel: Parcel) -> None:
    """For a single rating that was only tried: its scores.

    Raises:
        Problem: it would be refused.
    """
    (draft,) = parcel.drafts
    _count_tried(door, parcel)
    if draft.refusal is not None:
        raise draft.refusal.problem()
    parcel.answer = _encoder.encode(_valid(draft))


async def answer_lines(door: Door, parcel: Parcel) -> None:
    """For a group of a batch: one result for each line."""
    _count(door, parcel)
    parcel.answer = _lines(parcel, lambda draft: {"id": draft.rating_id, "status": "accepted"})


async def answer_lines_with_scores(door: Door, parcel: Parcel) -> None:
    """For a group of a batch that was only tried: scores or errors for each line."""
    _count_tried(door, parcel)
    parcel.answer = _lines(parcel, _valid)


def _lines(parcel: Parcel, good: Callable[[Draft], dict[str, Any]]) -> bytes:
    return _encoder.encode_lines(
        [
            {"line": draft.line.number, **good(draft)}
            if draft.refusal is None
            else draft.refusal.line(draft.line.number, draft.rating_id)
            for draft in parcel.drafts
        ]
    )


def _valid(draft: Draft) -> dict[str, Any]:
    return {"id": draft.rating_id, "status": "valid", **_shown(draft.scored)}


def _shown(scored: Scored | None) -> dict[str, Any]:
    if scored is None or scored.scores is None:
        return {"scores": None, "in_units": None}
    shares = {each.value: getattr(scored.scores, each.value) for each in Component}
    asked_for = {
        name: share for name, share in shares.items() if Component(name) in scored.instrument.components
    }
    return {
        "scores": {name: None if share is None else round(share, 6) for name, share in asked_for.items()},
        "in_units": {
            name: None if share is None else to_units(scored.instrument, share)
            for name, share in asked_for.items()
        },
    }


def _count(door: Door, parcel: Parcel) -> None:
    refused = [draft.refusal for draft in parcel.drafts if draft.refusal is not None]
    door.metrics.accepted(len(parcel.drafts) - len(refused))
    for refusal in refused:
        door.metrics.refused(refusal.reason)


def _count_tried(door: Door, parcel: Parcel) -> None:
    going = len(parcel.going)
    door.metrics.tried(valid=going, refused=len(parcel.drafts) - going)
