"""dedup: lets each change of an episode pass once, and knows which came too late to be sent.

The row in `notifier.change` is the claim: unique on (episode, revision), it lives as long as the episode.
"""

from collections.abc import Iterable, Sequence
from datetime import datetime
from uuid import UUID

from psycopg.types.json import Jsonb

from schemas.events import EpisodeChanged
from services.notifier.channels.registry import OUTGOING, Channel
from services.notifier.domain.decision import Reason
from services.notifier.domain.notice import Notice
from services.runtime.outbox.transaction import Transaction


async def dedup(tx: Transaction, notices: list[Notice]) -> list[Notice]:
    """Drop what was here before; hold back on the outgoing channels what a later revision overtook."""
    changes = [notice.change for notice in notices if notice.change is not None]
    if not changes:
        return notices
    highest = await _lock(tx, {change.episode_id for change in changes})
    new = iter(await _claim(tx, [notice for notice in notices if notice.change is not None]))
    passed = []
    for notice in notices:
        change = notice.change
        if change is None:
            passed.append(notice)
        elif next(new):
            # In the order of the log, so that it makes no difference how the records were batched.
            before = highest.get(change.episode_id, 0)
            overtaken = change.revision < before
            passed.append(notice.hold(Reason.OVERTAKEN, *OUTGOING) if overtaken else notice)
            highest[change.episode_id] = max(change.revision, before)
    return passed


async def _lock(tx: Transaction, episodes: Iterable[UUID]) -> dict[UUID, int]:
    """Lock the episodes in key order, and tell the highest revision that was here of each."""
    ids = sorted(episodes)
    await tx.conn.execute(
        "INSERT INTO notifier.episode (episode_id) SELECT unnest(%s::uuid[]) ON CONFLICT DO NOTHING", (ids,)
    )
    await tx.conn.execute(
        "SELECT FROM notifier.episode WHERE episode_id = ANY(%s) ORDER BY episode_id FOR UPDATE", (ids,)
    )
    rows = await tx.conn.execute(
        "SELECT episode_id, max(revision) FROM notifier.change WHERE episode_id = ANY(%s)"
        " GROUP BY episode_id",
        (ids,),
    )
    return {row[0]: row[1] for row in await rows.fetchall()}


async def _claim(tx: Transaction, notices: Sequence[Notice]) -> list[bool]:
    """Write the claims in order; for each notice whether it was the first of its change."""
    rows = [_row(notice, notice.change, tx.now) for notice in notices if notice.change is not None]
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


def _row(notice: Notice, change: EpisodeChanged, now: datetime) -> tuple[object, ...]:
    return (
        change.episode_id,
        change.revision,
        change.change.value,
        notice.tells(Channel.INBOX),
        change.practice_id,
        change.therapist_id,
        change.client_id,
        change.case_id,
        notice.partition,
        notice.key,
        change.session_id,
        change.session_at,
        change.accepted_at,
        now,
        Jsonb(change.model_dump(mode="json", exclude_none=True)),
    )
