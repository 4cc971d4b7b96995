"""A delivery as a state machine: one message to one therapist over one outgoing channel, and how it went.

pending ──▶ sent | retrying | failed | cancelled
retrying ──▶ sent | retrying | failed | cancelled
cancelled ──▶ sent      the message had left the house when the cancellation came; what is true is written
"""

from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from uuid import UUID, uuid5

from services.notifier.domain.decision import Channel

_NAMESPACE = UUID("0f2c5a3e-7d19-5b5e-9c55-2f6d3b1e8a42")


class State(StrEnum):
    """How far a delivery has come."""

    PENDING = "pending"
    RETRYING = "retrying"
    SENT = "sent"
    FAILED = "failed"
    CANCELLED = "cancelled"


class Purpose(StrEnum):
    """What a message is for."""

    EPISODE = "episode"
    SIGN_IN = "sign-in"


class Why(StrEnum):
    """Why a delivery is being retried, failed or was cancelled."""

    UNREACHABLE = "unreachable"
    """The other side could not be reached."""
    TIMED_OUT = "timed-out"
    """The other side took too long."""
    BUSY = "busy"
    """The other side said: not now."""
    NOT_SIGNED_IN = "not-signed-in"
    """The mail server does not accept our credentials: an operator must act, the message waits meanwhile."""
    REFUSED = "refused"
    """The other side said: never."""
    ADDRESS_REFUSED = "address-refused"
    """The mail server does not take mail for this address."""
    FORBIDDEN_TARGET = "forbidden-target"
    """A webhook that points into our own network."""
    REDIRECTED = "redirected"
    """The receiver points elsewhere; redirects are not followed."""
    GONE = "gone"
    """The receiver says that it is no more."""
    NO_ADDRESS = "no-address"
    """The therapist has no address for this channel any more."""
    TOO_LATE = "too-late"
    """It could not be delivered before its deadline."""
    WITHDRAWN = "withdrawn"
    """What it was about was withdrawn before it was sent."""


TRANSITIONS: dict[State, frozenset[State]] = {
    State.PENDING: frozenset({State.SENT, State.RETRYING, State.FAILED, State.CANCELLED}),
    State.RETRYING: frozenset({State.SENT, State.RETRYING, State.FAILED, State.CANCELLED}),
    State.CANCELLED: frozenset({State.SENT}),
    State.SENT: frozenset(),
    State.FAILED: frozenset(),
}

OPEN = tuple(state.value for state in (State.PENDING, State.RETRYING))
"""The states in which a delivery is still to be tried."""


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
    state: State
    attempts: int
    created_at: datetime
    give_up_at: datetime


def may_become(state: State, wanted: State) -> bool:
    """Whether a delivery in `state` may go to `wanted`."""
    return wanted in TRANSITIONS[state]


def predecessors(wanted: State) -> list[str]:
    """The states from which a delivery may go to `wanted`."""
    return [state.value for state in State if may_become(state, wanted)]


def delivery_id(episode: UUID, revision: int, channel: Channel) -> UUID:
    """The id of a delivery: stable, so that every attempt carries the same Message-ID or webhook-id."""
    return uuid5(_NAMESPACE, f"{episode}/{revision}/{channel.value}")
