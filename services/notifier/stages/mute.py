"""mute: holds back what the practice or therapist does not want, or what needs no message."""

from schemas.events import EpisodeChanged
from services.notifier.channels.registry import OUTGOING, Channel
from services.notifier.domain.decision import SENT_CHANGES, DecisionReason
from services.notifier.domain.planned_notification import PlannedNotification
from services.notifier.domain.therapist import DEFAULT_CHANNELS
from services.runtime.outbox.transaction import Transaction


async def mute(_tx: Transaction, notifications: list[PlannedNotification]) -> list[PlannedNotification]:
    """Hold back what is not wanted; the first reason that applies is the one that is recorded."""
    return [_muted(one, change) if (change := one.change) is not None else one for one in notifications]


def _muted(notification: PlannedNotification, change: EpisodeChanged) -> PlannedNotification:
    therapist = notification.therapist
    if not notification.messages_on:
        notification = notification.hold_back(DecisionReason.PRACTICE_OFF, Channel.INBOX, *OUTGOING)
    if change.change not in SENT_CHANGES:
        notification = notification.hold_back(DecisionReason.QUIET_CHANGE, *OUTGOING)
    not_chosen = [
        channel
        for channel in OUTGOING
        if not (therapist.wants(channel) if therapist is not None else channel in DEFAULT_CHANNELS)
    ]
    notification = notification.hold_back(DecisionReason.NOT_CHOSEN, *not_chosen)
    if therapist is not None and therapist.quiet:
        notification = notification.hold_back(DecisionReason.THERAPIST_QUIET, *OUTGOING)
    unreachable = [
        channel for channel in OUTGOING if therapist is None or not therapist.reachable_by(channel)
    ]
    return notification.hold_back(DecisionReason.NO_ADDRESS, *unreachable)
