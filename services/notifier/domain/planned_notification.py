"""Defines what passes through the stages: an episode change or a heartbeat, with the decisions so far."""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace

from schemas.events import EpisodeChanged, HeartbeatSent
from services.notifier.channels.channel import MailTiming
from services.notifier.channels.registry import Channel
from services.notifier.domain.decision import NOTIFYING_REASONS, DecisionReason
from services.notifier.domain.therapist import Therapist


@dataclass(frozen=True, slots=True)
class PlannedNotification:
    """One event on its way through the stages."""

    event: EpisodeChanged | HeartbeatSent
    partition: int
    key: bytes = field(repr=False)
    therapist: Therapist | None = None
    """None when the therapist is not in the directory."""
    messages_on: bool = True
    """False when the practice has switched messages off."""
    mail_timing: MailTiming = MailTiming.BEFORE_SESSION
    """What the practice has chosen for its therapists."""
    plan: Mapping[Channel, DecisionReason] = field(default_factory=dict)
    """For each channel the reason why the change is sent over it, or is held back."""

    @property
    def change(self) -> EpisodeChanged | None:
        """The change, or None for a heartbeat."""
        return self.event if isinstance(self.event, EpisodeChanged) else None

    def goes_to(self, channel: Channel) -> bool:
        """Return whether the change goes out over this channel, as decided so far."""
        return self.plan.get(channel) in NOTIFYING_REASONS

    def hold_back(self, reason: DecisionReason, *channels: Channel) -> "PlannedNotification":
        """Return it held back from these channels; a channel held back before keeps its earlier reason."""
        held = {channel: reason for channel in channels if self.goes_to(channel)}
        return replace(self, plan={**self.plan, **held})
