"""CloudEvents 1.0 in structured mode: an event's bytes in, a typed envelope out, and back."""

from datetime import datetime
from typing import Annotated, Literal
from uuid import UUID

from pydantic import AwareDatetime, BaseModel, ConfigDict, Discriminator, TypeAdapter, ValidationError

from schemas import events, validation_errors
from schemas.events import (
    AllianceAssessed,
    EpisodeChanged,
    HeartbeatSent,
    Rejected,
    SessionRated,
    TherapistResponded,
)

CONTENT_TYPE = b"application/cloudevents+json; charset=UTF-8"
HEADERS: tuple[tuple[str, bytes], ...] = (("content-type", CONTENT_TYPE),)


class Envelope(BaseModel):
    """What every event carries around its data."""

    model_config = ConfigDict(frozen=True, extra="ignore")

    specversion: Literal["1.0"] = "1.0"
    id: str
    source: str
    time: AwareDatetime
    subject: str
    datacontenttype: Literal["application/json"] = "application/json"


class SessionRatedEvent(Envelope):
    """A rating on its way from ingest to the detector."""

    type: Literal["alliance.session-rated.v1"] = "alliance.session-rated.v1"
    data: SessionRated


class AllianceAssessedEvent(Envelope):
    """An assessment on its way to whoever follows the alliance downstream."""

    type: Literal["alliance.assessed.v1"] = "alliance.assessed.v1"
    data: AllianceAssessed


class EpisodeChangedEvent(Envelope):
    """A change of an episode on its way to the notifier."""

    type: Literal["alliance.episode-changed.v1"] = "alliance.episode-changed.v1"
    data: EpisodeChanged


class TherapistRespondedEvent(Envelope):
    """A therapist's answer on its way back to the detector."""

    type: Literal["alliance.therapist-responded.v1"] = "alliance.therapist-responded.v1"
    data: TherapistResponded


class RejectedEvent(Envelope):
    """A rejection on its way to the operators."""

    type: Literal["alliance.rejected.v1"] = "alliance.rejected.v1"
    data: Rejected


class HeartbeatEvent(Envelope):
    """A heartbeat, on the same topics as the ratings and episodes whose way it proves open."""

    type: Literal["alliance.heartbeat-sent.v1"] = "alliance.heartbeat-sent.v1"
    data: HeartbeatSent


AnyEvent = (
    SessionRatedEvent
    | AllianceAssessedEvent
    | EpisodeChangedEvent
    | TherapistRespondedEvent
    | RejectedEvent
    | HeartbeatEvent
)

EVENTS: dict[str, type[AnyEvent]] = {
    event.model_fields["type"].default: event
    for event in (
        SessionRatedEvent,
        AllianceAssessedEvent,
        EpisodeChangedEvent,
        TherapistRespondedEvent,
        RejectedEvent,
        HeartbeatEvent,
    )
}
"""Every event by its type."""

_FIELDS = frozenset(EVENTS).union(
    *(model.model_fields for model in (*EVENTS.values(), *events.Event.__subclasses__()))
)

_ANY: TypeAdapter[AnyEvent] = TypeAdapter(Annotated[AnyEvent, Discriminator("type")])


def encode(event: AnyEvent) -> bytes:
    """The record value of an event: JSON without blanks, UTF-8."""
    return event.model_dump_json(exclude_none=True).encode()


def decode(value: bytes) -> AnyEvent:
    """The event in a record's value.

    Raises:
        pydantic.ValidationError: the bytes are no event of this system; its text may quote the payload,
            so show `error_summary` of it and never the exception itself.
    """
    return _ANY.validate_json(value)


def error_summary(error: ValidationError) -> str:
    """Why `decode` failed, as one line for a log or a rejection: places and kinds of faults, no value."""
    return validation_errors.error_summary(error, _FIELDS)


def envelope_fields(event_id: UUID | str, source: str, at: datetime, key: bytes) -> dict[str, object]:
    """The envelope around an event: `source` is the service, `key` the record's key bytes."""
    return {"id": str(event_id), "source": f"/rapport/{source}", "time": at, "subject": key.decode()}
