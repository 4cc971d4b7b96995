"""dedup: lets each change of an episode pass once, and holds back those that came too late to be sent.

The row in `notifier.change` is the claim: unique on (practice, episode, revision), and kept with the episode.
"""

from collections.abc import Iterable, Sequence
from datetime import datetime
from uuid import UUID

from psycopg.types.json import Jsonb

from schemas.events import EpisodeChanged
from services.notifier.channels.channel import OUTGOING, Channel
from services.notifier.domain.decision import DecisionReason, PlannedNotification
from services.runtime.outbox.transaction import Transaction


async def dedup(tx: Transaction, notifications: list[PlannedNotification]) -> list[PlannedNotification]:
    """Drop changes that were processed before; send none that a later revision of its episode overtook."""
    changes = [change for notification in notifications if (change := notification.change) is not None]
    if not changes:
        return notifications
    highest = await _lock(tx, {(change.episode_id, change.practice_id) for change in changes})
    first_time = iter(await _claim(tx, notifications))
    passed = []
    for notification in notifications:
        change = notification.change
        if change is None:
            passed.append(notification)
        elif next(first_time):
            # In the order of the log, so that the result does not depend on how the records were batched.
            highest_before = highest.get(change.episode_id, 0)
            held_back = notification.hold_back(DecisionReason.OVERTAKEN, *OUTGOING)
            passed.append(held_back if change.revision < highest_before else notification)
            highest[change.episode_id] = max(change.revision, highest_before)
    return passed


async def _lock(tx: Transaction, episodes: Iterable[tuple[UUID, str]]) -> dict[UUID, int]:
    """Lock the episodes, each with its practice, in key order; return the highest revision stored of each."""
    ids, practices = (list(column) for column in zip(*sorted(episodes), strict=True))
    await tx.conn.execute(
        "INSERT INTO notifier.episode (practice_id, episode_id)"
        " SELECT * FROM unnest(%s::text[], %s::uuid[]) ON CONFLICT DO NOTHING",
        (practices, ids),
    )
    wanted = "(practice_id, episode_id) IN (SELECT * FROM unnest(%s::text[], %s::uuid[]))"
    await tx.conn.execute(
        f"SELECT FROM notifier.episode WHERE {wanted} ORDER BY episode_id FOR UPDATE", (practices, ids)
    )
    rows = await tx.conn.execute(
        f"SELECT episode_id, max(revision) FROM notifier.change WHERE {wanted} GROUP BY episode_id",
        (practices, ids),
    )
    return {row[0]: row[1] for row in await rows.fetchall()}


async def _claim(tx: Transaction, notifications: Sequence[PlannedNotification]) -> list[bool]:
    """Write the claims in order; return for each change whether it was processed for the first time."""
    rows = [_row(one, change, tx.now) for one in notifications if (change := one.change) is not None]
    async with tx.conn.cursor() as cursor:
        await cursor.executemany(
            "INSERT INTO notifier.change (episode_id, revision, change, shown, practice_id, therapist_id,"
            " client_id, case_id, partition, record_key, session_id, session_at, accepted_at, arrived_at,"
            " content) VALUES (%s, %s, %s, %s, %s, %s, %s, %s, %s, %s, %s, %s, %s, %s, %s)"
            " ON CONFLICT DO NOTHING RETURNING true",
            rows,
            returning=True,
        )
        return [await result.fetchone() is not None async for result in cursor.results()]


def _row(notification: PlannedNotification, change: EpisodeChanged, now: datetime) -> tuple[object, ...]:
    return (
        change.episode_id,
        change.revision,
        change.change.value,
        notification.goes_to(Channel.INBOX),
        change.practice_id,
        change.therapist_id,
        change.client_id,
        change.case_id,
        notification.partition,
        notification.key,
        change.session_id,
        change.session_at,
        change.accepted_at,
        now,
        Jsonb(change.model_dump(mode="json", exclude_none=True)),
    )
