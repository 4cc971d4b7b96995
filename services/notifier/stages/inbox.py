"""inbox: writes one item per episode, exactly once, in the transaction in which the change was claimed."""

from collections import defaultdict
from collections.abc import Mapping
from uuid import UUID

from schemas.events import Change
from services.notifier.channels.registry import Channel
from services.notifier.domain.decision import SENT_CHANGES, Reason
from services.notifier.domain.inbox_item import Entry, ItemState, fold
from services.notifier.domain.notice import Notice
from services.runtime.outbox.transaction import Transaction


async def inbox(tx: Transaction, notices: list[Notice]) -> list[Notice]:
    """Bring the items of the batch's episodes up to date; hold back what follows nothing that was told."""
    new = {(one.change.episode_id, one.change.revision) for one in notices if one.change is not None}
    if not new:
        return notices
    entries = await _entries_before(tx, new)
    passed, touched = [], set()
    for notice in notices:
        change = notice.change
        if change is not None:
            known = entries[change.episode_id]
            known.append(Entry(change.revision, change.change, notice.tells(Channel.INBOX)))
            touched.add(change.episode_id)
            follows_nothing = fold(known) is None and change.change not in SENT_CHANGES
            passed.append(notice.hold(Reason.NEVER_TOLD, Channel.INBOX) if follows_nothing else notice)
        else:
            passed.append(notice)
    items = {episode: fold(entries[episode]) for episode in sorted(touched)}
    await _write(tx, {episode: item for episode, item in items.items() if item is not None})
    return passed


async def _entries_before(tx: Transaction, new: set[tuple[UUID, int]]) -> dict[UUID, list[Entry]]:
    rows = await tx.conn.execute(
        "SELECT episode_id, revision, change, shown FROM notifier.change WHERE episode_id = ANY(%s)",
        (sorted({episode for episode, _ in new}),),
    )
    entries: dict[UUID, list[Entry]] = defaultdict(list)
    for episode, revision, change, shown in await rows.fetchall():
        if (episode, revision) not in new:
            entries[episode].append(Entry(revision, Change(change), shown))
    return entries


async def _write(tx: Transaction, items: Mapping[UUID, ItemState]) -> None:
    async with tx.conn.cursor() as cursor:
        await cursor.executemany(
            "INSERT INTO notifier.item (episode_id, practice_id, therapist_id, client_id, case_id, partition,"
            " record_key, state, revision, first_revision, told_revision, session_at, told_at, changed_at)"
            " SELECT episode_id, practice_id, therapist_id, client_id, case_id, partition, record_key,"
            " %(state)s, %(revision)s, %(first)s, %(told)s, session_at, %(now)s, %(now)s"
            " FROM notifier.change WHERE episode_id = %(episode)s AND revision = %(told)s"
            " ON CONFLICT (episode_id) DO UPDATE SET partition = excluded.partition,"
            " record_key = excluded.record_key, state = excluded.state, revision = excluded.revision,"
            " first_revision = excluded.first_revision, told_revision = excluded.told_revision,"
            " session_at = excluded.session_at, changed_at = excluded.changed_at",
            [
                {
                    "episode": episode,
                    "state": item.state.value,
                    "revision": item.revision,
                    "first": item.first_revision,
                    "told": item.told_revision,
                    "now": tx.now,
                }
                for episode, item in items.items()
            ],
        )
