"""Encodes and decodes events as CloudEvents 1.0 in structured mode."""

from datetime import datetime
from typing import Annotated, Literal
from uuid import UUID

from pydantic import AwareDatetime, BaseModel, ConfigDict, Discriminator, TypeAdapter, ValidationError

from schemas import events, validation_errors
from schemas.events import (
    AllianceAssessed,
    ClientRenamed,
    EpisodeChanged,
    HeartbeatSent,
    MeasureStored,
    Rejected,
    SessionRated,
    TherapistResponded,
)

CONTENT_TYPE = b"application/cloudevents+json; charset=UTF-8"
HEADERS: tuple[tuple[str, bytes], ...] = (("content-type", CONTENT_TYPE),)


class Envelope(BaseModel):
    """The attributes around an event's data (CloudEvents 1.0)."""

    model_config = ConfigDict(frozen=True, extra="ignore")

    specversion: Literal["1.0"] = "1.0"
    id: str
    source: str
    time: AwareDatetime
    subject: str
    datacontenttype: Literal["application/json"] = "application/json"


class SessionRatedEvent(Envelope):
    """A rating, from ingest to the detector."""

    type: Literal["alliance.session-rated.v1"] = "alliance.session-rated.v1"
    data: SessionRated


class AllianceAssessedEvent(Envelope):
    """An assessment, from the detector to data warehouses and other consumers."""

    type: Literal["alliance.assessed.v1"] = "alliance.assessed.v1"
    data: AllianceAssessed


class MeasureStoredEvent(Envelope):
    """A stored rating beside the alliance, from the detector to the notifier and other consumers."""

    type: Literal["alliance.measure-stored.v1"] = "alliance.measure-stored.v1"
    data: MeasureStored


class EpisodeChangedEvent(Envelope):
    """A change of an episode, from the detector to the notifier."""

    type: Literal["alliance.episode-changed.v1"] = "alliance.episode-changed.v1"
    data: EpisodeChanged


class TherapistRespondedEvent(Envelope):
    """A therapist's answer, from the notifier to the detector."""

    type: Literal["alliance.therapist-responded.v1"] = "alliance.therapist-responded.v1"
    data: TherapistResponded


class ClientRenamedEvent(Envelope):
    """Another reference of a client, from the detector to the notifier."""

    type: Literal["alliance.client-renamed.v1"] = "alliance.client-renamed.v1"
    data: ClientRenamed


class RejectedEvent(Envelope):
    """A rejected record, from any service to the operators."""

    type: Literal["alliance.rejected.v1"] = "alliance.rejected.v1"
    data: Rejected


class HeartbeatEvent(Envelope):
    """A heartbeat, on the same topics as the ratings and episodes whose processing it checks."""

    type: Literal["alliance.heartbeat-sent.v1"] = "alliance.heartbeat-sent.v1"
    data: HeartbeatSent


AnyEvent = (
    SessionRatedEvent
    | AllianceAssessedEvent
    | MeasureStoredEvent
    | EpisodeChangedEvent
    | TherapistRespondedEvent
    | ClientRenamedEvent
    | RejectedEvent
    | HeartbeatEvent
)

EVENTS: dict[str, type[AnyEvent]] = {
    event.model_fields["type"].default: event
    for event in (
        SessionRatedEvent,
        AllianceAssessedEvent,
        MeasureStoredEvent,
        EpisodeChangedEvent,
        TherapistRespondedEvent,
        ClientRenamedEvent,
        RejectedEvent,
        HeartbeatEvent,
    )
}
"""Every event's model by its type."""

_FIELDS = frozenset(EVENTS).union(
    *(model.model_fields for model in (*EVENTS.values(), *events.Event.__subclasses__()))
)

_ANY: TypeAdapter[AnyEvent] = TypeAdapter(Annotated[AnyEvent, Discriminator("type")])


def encode(event: AnyEvent) -> bytes:
    """Return the record value of an event: JSON without white space, in UTF-8."""
    return event.model_dump_json(exclude_none=True).encode()


def decode(value: bytes) -> AnyEvent:
    """Return the event in a record's value.

    Raises:
        pydantic.ValidationError: the bytes are not an event of this system. The exception's text may quote
            the payload: log `error_summary` of it, never the exception itself.
    """
    return _ANY.validate_json(value)


def error_summary(error: ValidationError) -> str:
    """Return one line that says why `decode` failed: fields and kinds of errors, without values."""
    return validation_errors.error_summary(error, _FIELDS)


def envelope_fields(event_id: UUID | str, source: str, at: datetime, key: bytes) -> dict[str, object]:
    """Return the attributes of an event's envelope: `source` is the service, `key` the record's key."""
    return {"id": str(event_id), "source": f"/rapport/{source}", "time": at, "subject": key.decode()}
