"""Reads the places of ratings in the log, and published changes, to repair a log that lost its end."""

from collections.abc import Callable
from datetime import datetime
from functools import partial
from typing import Any

import msgspec

from schemas import topics
from schemas.ids import EpisodeId, episode_event_id
from services.detector.contracts import Changed, encode, envelope
from services.detector.domain.dyad_work import LANE_OF
from services.detector.received import RatedEvent, arriving
from services.runtime.process.cli_plugin import Connection, KnownRecord, LogEnd, StoredEvent

# Ratings name the cluster by its number.
_CLUSTER = {"rating": "cluster = detector.cluster_number(%s)", "duplicate": "cluster_id = %s"}
_PLACES = """
SELECT "offset", rating_id FROM detector.{table}
WHERE {cluster} AND lane = %s AND partition = %s AND "offset" >= %s
"""
_MOVE = """
UPDATE detector.{table} SET {cluster}
WHERE {cluster} AND lane = %s AND partition = %s AND "offset" >= %s
RETURNING practice_id, rating_id, "offset"
"""
_WAITING = """
SELECT "offset", key, value FROM detector.blocked
WHERE cluster_id = %s AND topic = %s AND partition = %s AND "offset" >= %s
"""
_MOVE_WAITING = """
UPDATE detector.blocked SET cluster_id = %s
WHERE cluster_id = %s AND topic = %s AND partition = %s AND "offset" >= %s
RETURNING practice_id, rating_id, "offset"
"""
_CHANGES = """
SELECT c.episode_id, c.revision, c.changed_at, c.data::text, d.record_key, d.partition
FROM detector.episode_change c JOIN detector.episode e USING (practice_id, episode_id)
    JOIN detector.dyad d ON d.practice_id = e.practice_id AND d.dyad_id = e.dyad_id
WHERE c.changed_at >= %s ORDER BY c.changed_at, c.episode_id, c.revision
"""
_decode_change = msgspec.json.Decoder(Changed).decode


async def known_records(conn: Connection, end: LogEnd) -> list[KnownRecord]:
    """Return the ratings, duplicates and waiting records of a partition from an offset on."""
    known = await _waiting_records(conn, end)
    lane = LANE_OF.get(end.topic)
    if lane is None:
        return known
    for table in ("rating", "duplicate"):
        rows = await conn.execute(
            _PLACES.format(table=table, cluster=_CLUSTER[table]).encode(),
            (end.cluster_id, lane, end.partition, end.from_offset),
        )
        known += [KnownRecord(offset, _is_rating(rating_id)) async for offset, rating_id in rows]
    return known


async def forget_log_end(conn: Connection, end: LogEnd, cluster_id: str) -> list[str]:
    """Move ratings, duplicates and waiting records of a lost end of the log to another cluster id.

    Their places belong to other records now. Returns a line for each rating, by id.
    """
    waiting = await _move_waiting(conn, end, cluster_id)
    lane = LANE_OF.get(end.topic)
    if lane is None:
        return waiting
    where = (cluster_id, end.cluster_id, lane, end.partition, end.from_offset)
    await conn.execute(_MOVE.format(table="duplicate", cluster=_CLUSTER["duplicate"]).encode(), where)
    rows = await (
        await conn.execute(_MOVE.format(table="rating", cluster=_CLUSTER["rating"]).encode(), where)
    ).fetchall()
    return [
        f"rating {rating} of {practice} (offset {offset}): stored and assessed"
        for practice, rating, offset in sorted(rows, key=lambda row: row[2])
    ] + waiting


async def _waiting_records(conn: Connection, end: LogEnd) -> list[KnownRecord]:
    where = (end.cluster_id, end.topic, end.partition, end.from_offset)
    rows = await conn.execute(_WAITING.encode(), where)
    return [
        KnownRecord(offset, partial(_is_record, bytes(key), bytes(value)))
        async for offset, key, value in rows
    ]


async def _move_waiting(conn: Connection, end: LogEnd, cluster_id: str) -> list[str]:
    where = (cluster_id, end.cluster_id, end.topic, end.partition, end.from_offset)
    rows = await (await conn.execute(_MOVE_WAITING.encode(), where)).fetchall()
    return [
        f"rating {rating} of {practice} (offset {offset}): stored, and waits"
        for practice, rating, offset in sorted(rows, key=lambda row: row[2])
        if rating is not None
    ]


async def stored_events(conn: Connection, since: datetime) -> list[StoredEvent]:
    """Return the changes of episodes that were published since a time, as they were published."""
    rows = await conn.execute(_CHANGES, (since,))
    return [_change(row) async for row in rows]


def _is_record(key: bytes, value: bytes, found_key: bytes | None, found_value: bytes | None) -> bool:
    return (key, value) == (found_key, found_value)


def _is_rating(rating_id: str) -> Callable[[bytes | None, bytes | None], bool]:
    def matches(_key: bytes | None, value: bytes | None) -> bool:
        try:
            event = arriving.decode(value or b"")
        except msgspec.MsgspecError:
            return False
        return isinstance(event, RatedEvent) and event.data.rating_id == rating_id

    return matches


def _change(row: tuple[Any, ...]) -> StoredEvent:
    episode, revision, at, data, key, partition = row
    event_id = str(episode_event_id(EpisodeId(episode), revision))
    # The table keeps JSON without an order; encoding it again restores the published bytes.
    change = _decode_change(data)
    value = envelope(topics.EPISODE_CHANGED.name, event_id, at, bytes(key), encode(change))
    what = f"change {revision} of episode {episode} ({change.change}) of {change.practice_id}"
    return StoredEvent(event_id, what, topics.EPISODE_CHANGED.name, partition, bytes(key), value)
