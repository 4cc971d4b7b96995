"""Decodes the events that the detector reads: the contracts of `schemas.events` as msgspec types.

A test keeps every type here equal to its contract, field by field.
"""

from datetime import datetime
from typing import Annotated
from uuid import UUID

import msgspec
from msgspec import Meta, Struct

from schemas.events import Answer, Status, TalkedAbout
from schemas.rating import MAX_ITEMS

Aware = Annotated[datetime, Meta(tz=True)]
# A record that another producer wrote must fail here and not at PostgreSQL, which indexes no text of more
# than 2,700 bytes; ingest allows no more than this.
Reference = Annotated[str, Meta(min_length=1, max_length=128)]
"""An id that can be indexed."""
OptionalReference = Annotated[str, Meta(max_length=128)]
Int4 = Annotated[int, Meta(ge=1, le=2**31 - 1)]


class DecodedScores(Struct, frozen=True, gc=False):
    """Marks by component in instrument units."""

    bond: float
    goal: float
    task: float


class Rated(Struct, frozen=True):
    """`schemas.events.SessionRated`."""

    rating_id: Reference
    practice_id: Reference
    therapist_id: Reference
    client_id: Reference
    session_id: Reference
    session_at: Aware
    instrument: Reference
    status: Status
    accepted_at: Aware
    content_hash: Reference
    case_id: OptionalReference = ""
    items: Annotated[tuple[float | None, ...], Meta(max_length=MAX_ITEMS)] | None = None
    scores: DecodedScores | None = None
    total: float | None = None
    next_session_at: Aware | None = None
    recorded_at: Aware | None = None


class Responded(Struct, frozen=True):
    """`schemas.events.TherapistResponded`."""

    episode_id: UUID
    answer_revision: Int4
    answer: Answer
    practice_id: Reference
    therapist_id: Reference
    client_id: Reference
    responded_at: Aware
    case_id: OptionalReference = ""
    topic: TalkedAbout | None = None


class Beat(Struct, frozen=True, omit_defaults=True):
    """`schemas.events.HeartbeatSent`; `minute` stays text, handed on and compared as it is written."""

    partition: Annotated[int, Meta(ge=0, le=2**31 - 1)]
    minute: Annotated[str, Meta(pattern=r"^\d{4}-\d{2}-\d{2}T\d{2}:\d{2}:\d{2}Z$")]
    sent_at: Aware
    risk: float | None = None
    expected_risk: float | None = None


class RatedEvent(Struct, frozen=True, tag_field="type", tag="alliance.session-rated.v1"):
    """A rating in its envelope."""

    data: Rated


class RespondedEvent(Struct, frozen=True, tag_field="type", tag="alliance.therapist-responded.v1"):
    """A therapist's answer in its envelope."""

    data: Responded


class BeatEvent(Struct, frozen=True, tag_field="type", tag="alliance.heartbeat-sent.v1"):
    """A heartbeat in its envelope."""

    id: Reference
    data: Beat


Arriving = RatedEvent | RespondedEvent | BeatEvent

arriving: msgspec.json.Decoder[RatedEvent | RespondedEvent | BeatEvent] = msgspec.json.Decoder(Arriving)
"""Decodes what this service reads; the texts of what it raises may quote a value."""
