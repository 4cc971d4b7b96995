"""route: looks up the therapist and the practice, and plans a notification over every channel."""

from dataclasses import replace

from schemas.events import EpisodeChanged
from services.notifier.channels.registry import Channel
from services.notifier.directory.store import PracticeOptions, find_practices, find_therapists
from services.notifier.domain.decision import SENT_CHANGES, DecisionReason
from services.notifier.domain.planned_notification import PlannedNotification
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
            mail_timing=practice.mail_timing,
            plan=dict.fromkeys(Channel, _notifying_reason(change)),
        )
        if change.kept_back is not None:
            return planned.hold_back(DecisionReason(change.kept_back.value), *Channel)
        return planned

    return [routed(one, change) if (change := one.change) is not None else one for one in notifications]


def _notifying_reason(change: EpisodeChanged) -> DecisionReason:
    return DecisionReason.TO_REVIEW if change.change in SENT_CHANGES else DecisionReason.ITEM_UPDATED
