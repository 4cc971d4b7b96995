"""Keeps the records that wait until they can take effect, and finds those whose time has come."""

from collections.abc import Collection, Iterable, Sequence
from collections.abc import Set as AbstractSet
from datetime import datetime
from typing import Any, NamedTuple

from schemas.ids import DyadId, RatingIdentity
from schemas.rating_order import IdentityFields
from services.detector.domain.dyad_work import Arrival, BlockedRecord, DyadWork
from services.detector.received import Rated
from services.runtime.kafka.record import Record
from services.runtime.postgres.arrays import bigints, byteas, ints, texts, timestamps
from services.runtime.postgres.connect import Connection

RecordPosition = tuple[str, str, int, int]
"""Kafka cluster, topic, partition and offset."""
Waiting = tuple[str, Record]
"""A record that waits, with the Kafka cluster that it was read from."""


class WaitingDyad(NamedTuple):
    """A client's sessions with one therapist, some of which wait for their turn."""

    practice_id: str
    client_id: str
    key: bytes


_COLUMNS = 'b.cluster_id, b.topic, b.partition, b."offset", b.key, b.value'
_OF_SESSIONS = f"""
SELECT DISTINCT {_COLUMNS} FROM detector.blocked b
JOIN unnest(%b::text[], %b::text[], %b::text[], %b::text[])
    AS k (practice_id, client_id, session_id, instrument)
    USING (practice_id, client_id, session_id, instrument)
WHERE b.reason = 'session-in-other-dyad' ORDER BY b.partition, b."offset"
"""
_HOLDERS = """
SELECT FROM detector.rating r JOIN unnest(%b::text[], %b::text[], %b::text[], %b::text[])
    AS k (practice_id, client_id, session_id, instrument)
    USING (practice_id, client_id, session_id, instrument)
WHERE r.current AND r.status <> 'withdrawn'
ORDER BY practice_id, client_id, session_id, instrument, rating_id FOR SHARE OF r
"""
_WRITE = """
INSERT INTO detector.blocked (cluster_id, topic, partition, "offset", key, value, practice_id, client_id,
    rating_id, session_id, session_at, instrument, reason, recorded_at)
SELECT *, %s FROM unnest(%b::text[], %b::text[], %b::int[], %b::bigint[], %b::bytea[], %b::bytea[],
    %b::text[], %b::text[], %b::text[], %b::text[], %b::timestamptz[], %b::text[], %b::text[])
ON CONFLICT (practice_id, cluster_id, topic, partition, "offset") DO UPDATE SET reason = EXCLUDED.reason
"""
_IN_TURN = f"""
SELECT b.practice_id, b.client_id, {_COLUMNS} FROM (
    SELECT practice_id, client_id, key FROM (
        SELECT DISTINCT practice_id, client_id, key FROM detector.blocked WHERE reason = 'many-sessions'
        EXCEPT SELECT * FROM unnest(%b::text[], %b::text[], %b::bytea[])
    ) waiting
    ORDER BY row_number() OVER (PARTITION BY practice_id ORDER BY client_id, key), practice_id LIMIT %b
) d CROSS JOIN LATERAL (
    SELECT * FROM detector.blocked w
    WHERE w.practice_id = d.practice_id AND w.client_id = d.client_id AND w.key = d.key
        AND w.reason = 'many-sessions'
    ORDER BY w.session_at, w.recorded_at, w.partition, w."offset" LIMIT %b FOR UPDATE SKIP LOCKED
) b
"""
_OF_DYAD = f"""
SELECT {_COLUMNS} FROM detector.blocked b
WHERE b.practice_id = %b AND b.client_id = %b AND b.key = %b AND b.reason = 'many-sessions'
ORDER BY b.session_at, b.recorded_at, b.partition, b."offset" LIMIT %b FOR UPDATE SKIP LOCKED
"""
_AT = f"""
SELECT {_COLUMNS} FROM detector.blocked b
WHERE b.cluster_id = %b AND b.topic = %b AND b.partition = %b AND b."offset" = %b FOR UPDATE SKIP LOCKED
"""
_UNTIL = f"""
SELECT {_COLUMNS} FROM detector.blocked b
WHERE b.practice_id = %b AND b.client_id = %b AND b.key = %b AND b.reason = 'many-sessions'
    AND b.session_at <= %b
ORDER BY b.session_at, b.recorded_at, b.partition, b."offset" LIMIT %b FOR UPDATE SKIP LOCKED
"""
_WAITING_DYADS = """
SELECT DISTINCT b.key FROM detector.blocked b JOIN unnest(%b::text[], %b::text[], %b::bytea[])
    AS k (practice_id, client_id, key) USING (practice_id, client_id, key)
WHERE b.reason = 'many-sessions'
"""
_POSITIONS = """
unnest(%b::text[], %b::text[], %b::int[], %b::bigint[]) AS p (cluster_id, topic, partition, "offset")
WHERE b.cluster_id = p.cluster_id AND b.topic = p.topic AND b.partition = p.partition
    AND b."offset" = p."offset"
"""
_DELETE = f"DELETE FROM detector.blocked b USING {_POSITIONS}"
_WAIT_IN_TURN = f"UPDATE detector.blocked b SET reason = 'many-sessions' FROM {_POSITIONS}"
_DUE = f"""
SELECT {_COLUMNS} FROM detector.blocked b LEFT JOIN detector.practice p USING (practice_id)
WHERE CASE b.reason
    WHEN 'model-not-loaded' THEN p.model_version IS NULL OR p.model_version = ANY(%s)
    WHEN 'many-sessions' THEN false
    ELSE NOT EXISTS (
        SELECT FROM detector.rating r WHERE r.practice_id = b.practice_id AND r.client_id = b.client_id
            AND r.session_id = b.session_id AND r.instrument = b.instrument
            AND r.current AND r.status <> 'withdrawn')
    END
ORDER BY b.recorded_at, b.partition, b."offset" LIMIT %s FOR UPDATE OF b SKIP LOCKED
"""


def position(cluster_id: str, record: Record) -> RecordPosition:
    """Return where a record stands in the log."""
    return cluster_id, record.topic, record.partition, record.offset


async def read_of_sessions(conn: Connection, sessions: Iterable[Rated | RatingIdentity]) -> list[Waiting]:
    """Read what waits for one of these sessions, in the order of the log."""
    keys = _keys(sessions)
    if not keys:
        return []
    return _waiting(await (await conn.execute(_OF_SESSIONS, _columns(keys), binary=True)).fetchall())


async def read_due(conn: Connection, loaded_models: Sequence[str], limit: int) -> list[Waiting]:
    """Read and lock what waits for nothing any more, oldest first."""
    return _waiting(await (await conn.execute(_DUE, (list(loaded_models), limit), binary=True)).fetchall())


async def read_oldest(conn: Connection) -> datetime | None:
    """Return when the record was read that has waited longest; None when none waits."""
    row = await (await conn.execute("SELECT min(recorded_at) FROM detector.blocked")).fetchone()
    return None if row is None else row[0]


async def read_in_turn(
    conn: Connection, dyads: int, sessions: int, *, without: Collection[WaitingDyad] = ()
) -> dict[WaitingDyad, list[Waiting]]:
    """Read and lock the earliest waiting sessions of a number of other dyads, at most `sessions` of each.

    Practices take turns, so that none waits until all clients of another are done.
    """
    parameters = (
        texts([dyad.practice_id for dyad in without]),
        texts([dyad.client_id for dyad in without]),
        byteas([dyad.key for dyad in without]),
        dyads,
        sessions,
    )
    rows = await (await conn.execute(_IN_TURN, parameters, binary=True)).fetchall()
    found: dict[WaitingDyad, list[Waiting]] = {}
    for (practice, client, *_), waiting in zip(rows, _waiting([row[2:] for row in rows]), strict=True):
        found.setdefault(WaitingDyad(practice, client, waiting[1].key or b""), []).append(waiting)
    return found


async def read_of_dyad(conn: Connection, dyad: WaitingDyad, sessions: int) -> list[Waiting]:
    """Read and lock the earliest sessions of a dyad that wait for their turn."""
    return _waiting(await (await conn.execute(_OF_DYAD, (*dyad, sessions), binary=True)).fetchall())


async def read_at(conn: Connection, at: RecordPosition) -> list[Waiting]:
    """Read and lock the record at this position, if it still waits and no other transaction has it."""
    return _waiting(await (await conn.execute(_AT, at, binary=True)).fetchall())


async def wait_in_turn(conn: Connection, waiting: Iterable[Waiting]) -> None:
    """Let records wait for their turn from now on, whatever they waited for before."""
    await _execute_at(conn, _WAIT_IN_TURN, {position(*one) for one in waiting})


async def read_until(conn: Connection, dyad: DyadWork, until: datetime, limit: int) -> list[Waiting]:
    """Read and lock the waiting sessions of a dyad that took place until this time, earliest first."""
    parameters = (dyad.who.practice_id, dyad.who.client_id, dyad.key, until, limit)
    return _waiting(await (await conn.execute(_UNTIL, parameters, binary=True)).fetchall())


async def read_waiting_dyads(conn: Connection, dyads: Iterable[DyadWork]) -> set[DyadId]:
    """Return those of these dyads of which sessions wait for their turn."""
    dyads = list(dyads)
    columns = (
        texts([dyad.who.practice_id for dyad in dyads]),
        texts([dyad.who.client_id for dyad in dyads]),
        byteas([dyad.key for dyad in dyads]),
    )
    keys = {bytes(key) for (key,) in await (await conn.execute(_WAITING_DYADS, columns)).fetchall()}
    return {dyad.id for dyad in dyads if dyad.key in keys}


async def lock_holders(conn: Connection, arrivals: Sequence[Arrival]) -> bool:
    """Make whoever takes back the ratings that block these wait until the transaction ends.

    Returns False when one of them was taken back meanwhile.
    """
    keys = _keys(arrival.rating for arrival in arrivals)
    rows = await (await conn.execute(_HOLDERS, _columns(keys))).fetchall()
    return len(rows) == len(keys)


async def write(conn: Connection, blocked: Sequence[BlockedRecord], now: datetime) -> None:
    """Store records that have to wait; one that waited before has its new reason."""
    if not blocked:
        return
    records = [one.record for one in blocked]
    ratings = [one.data if isinstance(one.data, Rated) else None for one in blocked]
    await conn.execute(
        _WRITE,
        (
            now,
            texts([one.cluster_id for one in blocked]),
            texts([record.topic for record in records]),
            ints([record.partition for record in records]),
            bigints([record.offset for record in records]),
            byteas([record.key for record in records]),
            byteas([record.value for record in records]),
            texts([one.data.practice_id for one in blocked]),
            texts([one.data.client_id for one in blocked]),
            texts([None if rating is None else rating.rating_id for rating in ratings]),
            texts([None if rating is None else rating.session_id for rating in ratings]),
            timestamps([None if rating is None else rating.session_at for rating in ratings]),
            texts([None if rating is None else rating.instrument for rating in ratings]),
            texts([one.reason.value for one in blocked]),
        ),
    )


async def delete(conn: Connection, done: AbstractSet[RecordPosition]) -> None:
    """Delete records that took effect, were rejected, or turned out to be duplicates."""
    await _execute_at(conn, _DELETE, done)


async def _execute_at(conn: Connection, statement: str, positions: AbstractSet[RecordPosition]) -> None:
    if positions:
        clusters, topics, partitions, offsets = zip(*positions, strict=True)
        await conn.execute(statement, (texts(clusters), texts(topics), ints(partitions), bigints(offsets)))


def _keys(sessions: Iterable[Rated | RatingIdentity]) -> list[tuple[str, str, str, str]]:
    return sorted({(one.practice_id, one.client_id, *_session(one)) for one in sessions})


def _session(one: IdentityFields) -> tuple[str, str]:
    return one.session_id, one.instrument


def _columns(keys: Sequence[tuple[str, str, str, str]]) -> tuple[object, ...]:
    return tuple(texts(column) for column in zip(*keys, strict=True))


def _waiting(rows: Sequence[Sequence[Any]]) -> list[Waiting]:
    return [
        (cluster, Record(topic, partition, offset, 0, bytes(key), bytes(value)))
        for cluster, topic, partition, offset, key, value in rows
    ]
