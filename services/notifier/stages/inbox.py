"""inbox: writes one inbox item per episode, in the transaction in which the change was claimed."""

from collections import defaultdict
from collections.abc import Mapping, Sequence
from uuid import UUID

from schemas.events import Change, EpisodeChanged
from services.notifier.channels.channel import Channel
from services.notifier.domain.decision import SENT_CHANGES, DecisionReason, PlannedNotification
from services.notifier.domain.inbox_item import EpisodeRevision, ItemState, fold_revisions
from services.notifier.inbox.items import give_answers_found
from services.runtime.outbox.transaction import Transaction


async def inbox(tx: Transaction, notifications: list[PlannedNotification]) -> list[PlannedNotification]:
    """Bring the items of the batch's episodes up to date.

    A change that follows an opening which was never shown is held back: there is no item to add it to.
    """
    changes = [change for notification in notifications if (change := notification.change) is not None]
    if not changes:
        return notifications
    revisions = await _stored_revisions(tx, changes)
    passed = []
    for notification in notifications:
        change = notification.change
        if change is None:
            passed.append(notification)
            continue
        of_episode = revisions[change.episode_id]
        shown = notification.goes_to(Channel.INBOX)
        of_episode.append(EpisodeRevision(change.revision, change.change, shown))
        has_item = fold_revisions(of_episode) is not None or change.change in SENT_CHANGES
        held_back = notification.hold_back(DecisionReason.NEVER_TOLD, Channel.INBOX)
        passed.append(notification if has_item else held_back)
    practices = {change.episode_id: change.practice_id for change in changes}
    items = {episode: fold_revisions(revisions[episode]) for episode in sorted(practices)}
    written = {(practices[episode], episode): item for episode, item in items.items() if item is not None}
    await _write(tx, written)
    if written:
        await give_answers_found(tx.conn, [episode for _, episode in written])
    return passed


async def _stored_revisions(
    tx: Transaction, changes: Sequence[EpisodeChanged]
) -> dict[UUID, list[EpisodeRevision]]:
    """Return the episodes' revisions that were stored before those of this batch."""
    new = {(change.episode_id, change.revision) for change in changes}
    keys = sorted({(change.practice_id, change.episode_id) for change in changes})
    rows = await tx.conn.execute(
        "SELECT episode_id, revision, change, shown FROM notifier.change WHERE (practice_id, episode_id) IN"
        " (SELECT * FROM unnest(%s::text[], %s::uuid[]))",
        tuple(list(column) for column in zip(*keys, strict=True)),
    )
    revisions: dict[UUID, list[EpisodeRevision]] = defaultdict(list)
    for episode, revision, change, shown in await rows.fetchall():
        if (episode, revision) not in new:
            revisions[episode].append(EpisodeRevision(revision, Change(change), shown))
    return revisions


async def _write(tx: Transaction, items: Mapping[tuple[str, UUID], ItemState]) -> None:
    async with tx.conn.cursor() as cursor:
        await cursor.executemany(
            "INSERT INTO notifier.item (episode_id, practice_id, therapist_id, client_id, case_id, partition,"
            " record_key, state, revision, first_revision, told_revision, session_at, told_at, changed_at)"
            " SELECT episode_id, practice_id, therapist_id, client_id, case_id, partition, record_key,"
            " %(state)s, %(revision)s, %(first)s, %(told)s, session_at, %(now)s, %(now)s"
            " FROM notifier.change WHERE practice_id = %(practice)s AND episode_id = %(episode)s"
            " AND revision = %(told)s"
            " ON CONFLICT (practice_id, episode_id) DO UPDATE SET partition = excluded.partition,"
            " record_key = excluded.record_key, state = excluded.state, revision = excluded.revision,"
            " first_revision = excluded.first_revision, told_revision = excluded.told_revision,"
            " session_at = excluded.session_at, changed_at = excluded.changed_at",
            [
                {
                    "practice": practice,
                    "episode": episode,
                    "state": item.state.value,
                    "revision": item.revision,
                    "first": item.first_revision,
                    "told": item.told_revision,
                    "now": tx.now,
                }
                for (practice, episode), item in items.items()
            ],
        )
