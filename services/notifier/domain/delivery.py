"""Defines a delivery, one message to one therapist over one outgoing channel, as a state machine.

pending ──▶ sent | retrying | failed | cancelled | combined
retrying ──▶ sent | retrying | failed | cancelled
cancelled ──▶ sent      the message was already sent when the cancellation came, and is recorded as sent
failed ──▶ pending      an operator has it tried again
"""

from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from uuid import UUID, uuid5

from services.notifier.channels.channel import Channel, Purpose
from services.notifier.domain.mail_plan import DueReason

_NAMESPACE = UUID("0f2c5a3e-7d19-5b5e-9c55-2f6d3b1e8a42")


class DeliveryState(StrEnum):
    """How far a delivery has come."""

    PENDING = "pending"
    RETRYING = "retrying"
    SENT = "sent"
    FAILED = "failed"
    CANCELLED = "cancelled"
    COMBINED = "combined"
    """Another mail to the same therapist announced its item as well."""


TRANSITIONS: dict[DeliveryState, frozenset[DeliveryState]] = {
    DeliveryState.PENDING: frozenset(
        {
            DeliveryState.SENT,
            DeliveryState.RETRYING,
            DeliveryState.FAILED,
            DeliveryState.CANCELLED,
            DeliveryState.COMBINED,
        }
    ),
    DeliveryState.RETRYING: frozenset(
        {DeliveryState.SENT, DeliveryState.RETRYING, DeliveryState.FAILED, DeliveryState.CANCELLED}
    ),
    DeliveryState.CANCELLED: frozenset({DeliveryState.SENT}),
    DeliveryState.SENT: frozenset(),
    DeliveryState.FAILED: frozenset({DeliveryState.PENDING}),
    DeliveryState.COMBINED: frozenset(),
}

OPEN_STATES = tuple(state.value for state in (DeliveryState.PENDING, DeliveryState.RETRYING))
"""The states in which a delivery is still to be attempted."""


@dataclass(frozen=True, slots=True)
class Delivery:
    """One row of `notifier.delivery`."""

    delivery_id: UUID
    purpose: Purpose
    practice_id: str
    therapist_id: str
    episode_id: UUID | None
    change: str | None
    """`opened` or `deepened`; None for a sign-in link."""
    channel: Channel
    state: DeliveryState
    attempts: int
    created_at: datetime
    give_up_at: datetime
    due_at: datetime
    due_reason: DueReason


def may_become(state: DeliveryState, wanted: DeliveryState) -> bool:
    """Return whether a delivery may change from `state` to `wanted`."""
    return wanted in TRANSITIONS[state]


def predecessors(wanted: DeliveryState) -> list[str]:
    """Return the states from which a delivery may change to `wanted`."""
    return [state.value for state in DeliveryState if may_become(state, wanted)]


def delivery_id(episode: UUID, revision: int, channel: Channel) -> UUID:
    """Return a delivery's id. It is stable, so that every attempt has the same Message-ID or webhook-id."""
    return uuid5(_NAMESPACE, f"{episode}/{revision}/{channel.value}")
