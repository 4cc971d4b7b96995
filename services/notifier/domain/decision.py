"""Defines what passes through the stages: an event with the decisions so far, each with its reason."""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from enum import StrEnum

from schemas.events import Change, EpisodeChanged, HeartbeatSent
from services.notifier.channels.channel import Channel, MailTiming
from services.notifier.domain.therapist import Therapist


class DecisionOutcome(StrEnum):
    """Whether a change was sent or shown on one channel, or was held back."""

    TOLD = "told"
    SUPPRESSED = "suppressed"


class DecisionReason(StrEnum):
    """Why a change was sent or shown on one channel, or was held back."""

    TO_REVIEW = "to-review"
    """Sent or shown: there is something to review before the next session."""
    ITEM_UPDATED = "item-updated"
    """Shown in the inbox only: an existing item states how the episode went on."""

    HISTORIC = "historic"
    """The session is not after the practice's `tell_from` (a reason given by the detector)."""
    TOO_OLD = "too-old"
    """The session is older than the practice's age limit (a reason given by the detector)."""
    NOT_NEWEST = "not-newest"
    """The change no longer holds at the dyad's newest session (a reason given by the detector)."""
    OBSERVING = "observing"
    """The practice observes for now, or the episode opened before it went live."""
    HEARTBEAT = "heartbeat"
    """The event is a heartbeat, which only proves that the pipeline works."""
    PRACTICE_OFF = "practice-off"
    """The practice has switched messages off, the inbox included."""
    THERAPIST_QUIET = "therapist-quiet"
    """The therapist asked for quiet: the inbox fills, and nothing is sent."""
    NO_ADDRESS = "no-address"
    """The directory has no address for this channel; the inbox item waits until the therapist is added."""
    NOT_CHOSEN = "not-chosen"
    """The therapist has not chosen this channel, or has switched it off."""
    QUIET_CHANGE = "quiet-change"
    """This kind of change is never sent; it only updates the inbox item."""
    OVERTAKEN = "overtaken"
    """A later change of the same episode was processed before."""
    NEVER_TOLD = "never-told"
    """The change continues an episode whose opening the therapist was never shown."""


NOTIFYING_REASONS = frozenset({DecisionReason.TO_REVIEW, DecisionReason.ITEM_UPDATED})
"""The reasons with the outcome `told`; all others have the outcome `suppressed`."""

SENT_CHANGES = frozenset({Change.OPENED, Change.DEEPENED})
"""The changes that are worth a message: only these are something a therapist should know before the next
session. Later states of an episode are shown in its inbox item, which the therapist visits anyway."""


def outcome_of(reason: DecisionReason) -> DecisionOutcome:
    """Return the outcome that belongs to a reason."""
    return DecisionOutcome.TOLD if reason in NOTIFYING_REASONS else DecisionOutcome.SUPPRESSED


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
    observing: bool = False
    """Whether the practice only observes for now."""
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
