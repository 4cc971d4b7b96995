"""Models of the notifier API; `make client` generates this file from its OpenAPI document."""

from __future__ import annotations

from typing import Annotated, Literal
from uuid import UUID

from pydantic import AwareDatetime, BaseModel, ConfigDict, Field


class MessageBalance(BaseModel):
    """Counts of what happened to every change of this practice's episodes."""

    model_config = ConfigDict(
        frozen=True,
    )
    messages: dict[str, dict[str, int]]
    kept_back: dict[str, int]
    not_sent: dict[str, dict[str, int]]


class NextSessionStatement(BaseModel):
    """When the next session of a client with a therapist is; the statement received last counts."""

    model_config = ConfigDict(
        extra="forbid",
        frozen=True,
    )
    therapist_id: Annotated[
        str,
        Field(
            max_length=128,
            min_length=1,
            pattern="^[^\\s@\\u0000-\\u001f\\u007f-\\u009f\\u00ad\\u200b-\\u200f\\u2028-\\u202e\\u2060-\\u2064\\ufe6b\\ufeff\\uff20]+$",
        ),
    ]
    at: AwareDatetime | None
    """Null when no session is planned."""


class Notification(BaseModel):
    """The decision about one change on one channel. `state` and `sent_at` are current."""

    model_config = ConfigDict(
        frozen=True,
    )
    episode_id: UUID
    revision: int
    change: str
    channel: str
    """Known values: `inbox`, `email`, `webhook`."""
    outcome: str
    """Known values: `told`, `suppressed`."""
    reason: str
    """Known values: `to-review`, `item-updated`, `historic`, `too-old`, `not-newest`, `observing`, `heartbeat`, `practice-off`, `therapist-quiet`, `no-address`, `not-chosen`, `quiet-change`, `overtaken`, `never-told`."""
    state: str | None
    """Known values: `pending`, `retrying`, `sent`, `failed`, `cancelled`, `combined`."""
    accepted_at: AwareDatetime
    decided_at: AwareDatetime
    sent_at: AwareDatetime | None
    due_at: AwareDatetime | None
    due_reason: str | None
    """Known values: `at-once`, `before-session`, `daily`, `no-session-known`, `session-too-near`, `quiet-hours`, `one-a-day`, `paused`."""


class NotificationPage(BaseModel):
    """A page of decisions, oldest first; pass `next` as `after` to get the following page."""

    model_config = ConfigDict(
        frozen=True,
    )
    notifications: list[Notification]
    next: str | None


class StoredNextSession(BaseModel):
    """A statement as it is stored."""

    model_config = ConfigDict(
        frozen=True,
    )
    client_id: str
    therapist_id: str
    at: AwareDatetime | None


class StoredTherapist(BaseModel):
    """A directory entry as it is stored, without secrets."""

    model_config = ConfigDict(
        frozen=True,
    )
    therapist_id: str
    address: str | None
    locale: str
    time_zone: str
    channels: list[str]
    supervisor: str | None
    quiet: bool
    mail_timing: str | None
    """Known values: `before-session`, `daily`, `immediate`."""
    webhook_url: str | None


class WebhookContact(BaseModel):
    """Where webhooks go, and the secret they are signed with."""

    model_config = ConfigDict(
        extra="forbid",
        frozen=True,
    )
    url: Annotated[str, Field(max_length=2000)]
    secret: Annotated[str, Field(max_length=200)]


class ErrorInField(BaseModel):
    """One error in a field. Never contains a value that was sent."""

    model_config = ConfigDict(
        frozen=True,
    )
    field: str
    message: str
    expected: str | None = None


class Problem(BaseModel):
    """An error (RFC 9457): what is wrong and what to do."""

    model_config = ConfigDict(
        frozen=True,
    )
    type: str
    """The reason as a URN, or `about:blank`."""
    title: str
    status: int
    detail: str | None = None
    errors: list[ErrorInField] | None = None


class TherapistEntry(BaseModel):
    """How to reach a therapist; what is left out takes its default, also when an entry is replaced."""

    model_config = ConfigDict(
        extra="forbid",
        frozen=True,
    )
    address: Annotated[str | None, Field(max_length=254)] = None
    locale: Annotated[str, Field(max_length=35)] = "en"
    time_zone: Annotated[str, Field(max_length=64)] = "UTC"
    channels: Annotated[list[Literal["inbox", "email", "webhook"]], Field(max_length=3)] = ["inbox", "email"]
    supervisor: Annotated[
        str | None,
        Field(
            max_length=128,
            min_length=1,
            pattern="^[^\\s@\\u0000-\\u001f\\u007f-\\u009f\\u00ad\\u200b-\\u200f\\u2028-\\u202e\\u2060-\\u2064\\ufe6b\\ufeff\\uff20]+$",
        ),
    ] = None
    quiet: bool = False
    mail_timing: Literal["before-session", "daily", "immediate"] | None = None
    webhook: WebhookContact | None = None
