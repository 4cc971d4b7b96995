"""What runs through the stages: one change of an episode (or a heartbeat) with what was decided so far."""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace

from schemas.events import EpisodeChanged, HeartbeatSent
from services.notifier.channels.registry import Channel
from services.notifier.domain.decision import TELLING, Reason
from services.notifier.domain.therapist import Therapist


@dataclass(frozen=True, slots=True)
class Notice:
    """One record on its way. `plan` holds a reason per channel: the one why it is told, or is not."""

    event: EpisodeChanged | HeartbeatSent
    partition: int
    key: bytes = field(repr=False)
    therapist: Therapist | None = None
    """None: not in the directory."""
    practice_told: bool = True
    plan: Mapping[Channel, Reason] = field(default_factory=dict)

    @property
    def change(self) -> EpisodeChanged | None:
        """The change, or None for a heartbeat."""
        return self.event if isinstance(self.event, EpisodeChanged) else None

    def tells(self, channel: Channel) -> bool:
        """Whether the change is to be told over this channel, as decided so far."""
        return self.plan.get(channel) in TELLING

    def hold(self, reason: Reason, *channels: Channel) -> "Notice":
        """The same notice, not told over these channels; a channel held before keeps its reason."""
        held = {channel: reason for channel in channels if self.tells(channel)}
        return replace(self, plan={**self.plan, **held})
