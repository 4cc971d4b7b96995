"""route and mute: plan a notification over every channel, and hold back what nobody wants or needs."""

from dataclasses import replace

from schemas.events import EpisodeChanged
from services.notifier.channels.channel import OUTGOING, Channel
from services.notifier.directory.store import PracticeOptions, find_practices, find_therapists
from services.notifier.domain.decision import SENT_CHANGES, DecisionReason, PlannedNotification
from services.notifier.domain.therapist import DEFAULT_CHANNELS
from services.runtime.outbox.transaction import Transaction


async def route(tx: Transaction, notifications: list[PlannedNotification]) -> list[PlannedNotification]:
    """Add therapist, practice and a first plan to each change; a heartbeat has no recipient.

    What the detector kept back is held back from every channel, with the detector's reason.
    """
    changes = [change for notification in notifications if (change := notification.change) is not None]
    if not changes:
        return notifications
    therapists = await find_therapists(
        tx.conn, [(change.practice_id, change.therapist_id) for change in changes]
    )
    practices = await find_practices(tx.conn, [change.practice_id for change in changes])

    def routed(notification: PlannedNotification, change: EpisodeChanged) -> PlannedNotification:
        practice = practices.get(change.practice_id, PracticeOptions(change.practice_id))
        planned = replace(
            notification,
            therapist=therapists.get((change.practice_id, change.therapist_id)),
            messages_on=practice.messages_on,
            observing=practice.observing,
            mail_timing=practice.mail_timing,
            plan=dict.fromkeys(Channel, _notifying_reason(change)),
        )
        if change.kept_back is not None:
            return planned.hold_back(DecisionReason(change.kept_back.value), *Channel)
        return planned

    return [routed(one, change) if (change := one.change) is not None else one for one in notifications]


def _notifying_reason(change: EpisodeChanged) -> DecisionReason:
    return DecisionReason.TO_REVIEW if change.change in SENT_CHANGES else DecisionReason.ITEM_UPDATED


async def mute(_tx: Transaction, notifications: list[PlannedNotification]) -> list[PlannedNotification]:
    """Hold back what is not wanted; the first reason that applies is the one that is recorded."""
    return [_muted(one, change) if (change := one.change) is not None else one for one in notifications]


def _muted(notification: PlannedNotification, change: EpisodeChanged) -> PlannedNotification:
    therapist = notification.therapist
    if notification.observing:
        # The detector keeps back what it decides from then on; this holds what was on its way.
        notification = notification.hold_back(DecisionReason.OBSERVING, *Channel)
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
