"""Lists every reason why a change is sent or shown on a channel, or is held back from it."""

from enum import StrEnum

from schemas.events import Change


class DecisionOutcome(StrEnum):
    """What was decided about one change on one channel."""

    TOLD = "told"
    SUPPRESSED = "suppressed"


class DecisionReason(StrEnum):
    """Why a change was told, or was not, on one channel."""

    TO_REVIEW = "to-review"
    """Told: there is something to review before the next session."""
    ITEM_UPDATED = "item-updated"
    """Told in the inbox only: an item that is already there says how it went on."""

    HISTORIC = "historic"
    """Its session is not after the practice's `tell_from`."""
    TOO_OLD = "too-old"
    """Its session is older than the practice's age limit."""
    NOT_NEWEST = "not-newest"
    """A later session is known, at which the change no longer holds; these three as the detector says."""
    HEARTBEAT = "heartbeat"
    """It only proves that the way is open."""
    PRACTICE_OFF = "practice-off"
    """The practice has switched messages off: nothing is told, not even in the inbox."""
    THERAPIST_QUIET = "therapist-quiet"
    """The therapist asked for quiet: the inbox fills, nothing is sent."""
    NO_ADDRESS = "no-address"
    """Nobody said where to send it; the inbox item waits for the therapist to be added."""
    NOT_CHOSEN = "not-chosen"
    """The therapist has not chosen this channel."""
    QUIET_CHANGE = "quiet-change"
    """This kind of change is never sent, see `SENT_CHANGES`."""
    OVERTAKEN = "overtaken"
    """A later change of the same episode was here first."""
    NEVER_TOLD = "never-told"
    """How an episode went on, of which the therapist was never told that it began."""


NOTIFYING_REASONS = frozenset({DecisionReason.TO_REVIEW, DecisionReason.ITEM_UPDATED})
"""The reasons of the outcome `told`; all others are reasons of `suppressed`."""

SENT_CHANGES = frozenset({Change.OPENED, Change.DEEPENED})
"""The changes that are worth a message. Only these say something that a therapist would want to know before
the next session; how an episode goes on stands in its inbox item, where the therapist looks anyway."""


def outcome_of(reason: DecisionReason) -> DecisionOutcome:
    """What was decided, given why."""
    return DecisionOutcome.TOLD if reason in NOTIFYING_REASONS else DecisionOutcome.SUPPRESSED
