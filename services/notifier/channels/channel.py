"""What a channel is given to send, and what it answers: sent, worth retrying, or not worth retrying."""

from dataclasses import dataclass, field
from datetime import datetime
from typing import Protocol
from uuid import UUID

from services.notifier.domain.delivery import Purpose, Why
from services.notifier.domain.therapist import Therapist


@dataclass(frozen=True, slots=True)
class Message:
    """One attempt to reach one therapist. It holds no name, score or clinical word to leak."""

    delivery_id: UUID
    purpose: Purpose
    change: str | None
    episode_id: UUID | None
    created_at: datetime
    attempted_at: datetime
    therapist: Therapist
    link: str = field(repr=False)


@dataclass(frozen=True, slots=True)
class Sent:
    """The other side took it."""


@dataclass(frozen=True, slots=True)
class WorthRetrying:
    """It may work later."""

    why: Why


@dataclass(frozen=True, slots=True)
class NotWorthRetrying:
    """It will never work."""

    why: Why


Answer = Sent | WorthRetrying | NotWorthRetrying


class OutgoingChannel(Protocol):
    """A channel that leaves the house."""

    async def send(self, message: Message) -> Answer:
        """Try once. Raises nothing of its own: every failure is an answer."""
