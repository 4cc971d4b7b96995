"""Keeps the events that the log holds and a restored database lacks, until their dyads are decided again."""

from collections.abc import Collection, Iterable, Sequence
from collections.abc import Set as AbstractSet
from typing import Any, NamedTuple
from uuid import UUID

import msgspec

from schemas import topics
from schemas.ids import ClientId, Dyad, DyadId, TherapistId, dyad_id
from schemas.rating_order import dyad
from services.detector.contracts import (
    Assessed,
    Changed,
    ChangedEvent,
    PublishedEvent,
    StoredMeasure,
    decode_published,
    encode,
)
from services.detector.received import BeatEvent
from services.detector.storage.erased import read_erased
from services.runtime.consumer.published_check import FoundRecords
from services.runtime.kafka.record import Record
from services.runtime.outbox.erasures import Erasures, pass_gate
from services.runtime.postgres.arrays import bigints, byteas, ints, texts, uuids
from services.runtime.postgres.connect import Connection
from services.runtime.postgres.former_names import Names, read_names

_UNKNOWN_ASSESSMENTS = """
SELECT place FROM unnest(%b::int[], %b::text[], %b::uuid[], %b::text[], %b::text[], %b::int[])
    AS new (place, practice_id, dyad_id, session_id, instrument, revision)
WHERE NOT EXISTS (SELECT FROM detector.assessment a WHERE a.practice_id = new.practice_id
    AND a.dyad_id = new.dyad_id
    AND a.session_id = new.session_id AND a.instrument = new.instrument AND a.revision >= new.revision)
"""
_UNKNOWN_CHANGES = """
SELECT place FROM unnest(%b::int[], %b::text[], %b::uuid[], %b::int[])
    AS new (place, practice_id, episode_id, revision)
WHERE NOT EXISTS (SELECT FROM detector.episode_change c WHERE c.practice_id = new.practice_id
    AND c.episode_id = new.episode_id AND c.revision = new.revision)
"""
_RAISE_FLOORS = """
INSERT INTO detector.dyad AS d (dyad_id, practice_id, therapist_id, client_id, case_id, record_key,
    partition, revision_floor)
SELECT * FROM unnest(%b::uuid[], %b::text[], %b::text[], %b::text[], %b::text[], %b::bytea[], %b::int[],
    %b::int[]) AS new (dyad_id, practice_id, therapist_id, client_id, case_id, key, partition, floor)
ORDER BY new.dyad_id
ON CONFLICT (practice_id, dyad_id) DO UPDATE
    SET revision_floor = greatest(d.revision_floor, EXCLUDED.revision_floor)
"""
_STORE = """
INSERT INTO detector.published_before (cluster_id, topic, partition, "offset", dyad_id, revision, value)
SELECT * FROM unnest(%b::text[], %b::text[], %b::int[], %b::bigint[], %b::uuid[], %b::int[], %b::bytea[])
ON CONFLICT DO NOTHING
"""
_RAISE_GENERATION = """
INSERT INTO detector.generation AS g (partition, number, cluster_id, rated_until, responded_until, events)
SELECT %(partition)s, coalesce(max(number) FILTER (WHERE cluster_id = %(cluster)s
        AND rated_until = %(rated)s AND responded_until = %(responded)s), coalesce(max(number), 0) + 1),
    %(cluster)s, %(rated)s, %(responded)s, %(events)s
FROM detector.generation WHERE partition = %(partition)s
ON CONFLICT (partition, number) DO UPDATE SET events = g.events + EXCLUDED.events
"""
_READ_ON = """
SELECT g.partition FROM detector.generation g
WHERE g.partition = ANY(%(partitions)s)
    AND g.number = (SELECT max(number) FROM detector.generation WHERE partition = g.partition)
    AND (g.cluster_id <> (SELECT cluster_id FROM detector.cluster) OR (
        g.rated_until <= coalesce((SELECT next_offset FROM detector.applied a
            WHERE a.cluster_id = g.cluster_id AND a.topic = %(rated)s AND a.partition = g.partition), 0)
        AND g.responded_until <= coalesce((SELECT next_offset FROM detector.applied a
            WHERE a.cluster_id = g.cluster_id AND a.topic = %(responded)s AND a.partition = g.partition), 0)))
"""
_DYADS = """
SELECT dyad_id, practice_id, therapist_id, client_id, case_id, record_key, partition FROM detector.dyad d
WHERE partition = ANY(%s) AND dyad_id > %s
    AND EXISTS (SELECT FROM detector.published_before p WHERE p.dyad_id = d.dyad_id)
ORDER BY dyad_id LIMIT %s
"""
_EVENTS = """
SELECT dyad_id, value FROM detector.published_before WHERE dyad_id = ANY(%b::uuid[])
ORDER BY revision, "offset"
"""
_RAISE_ONCE_MORE = """
UPDATE detector.dyad SET revision_floor = revision_floor + 1 WHERE dyad_id = ANY(%b::uuid[])
"""
_CHANGES = """
INSERT INTO detector.episode_change (episode_id, revision, practice_id, change, kept_back, session_id,
    changed_at, data)
VALUES (%s, %s, %s, %s, %s, %s, %s, %s) ON CONFLICT DO NOTHING
"""


class _Found(NamedTuple):
    record: Record
    event: PublishedEvent
    who: Dyad
    dyad_id: DyadId


async def take_up(conn: Connection, found: FoundRecords, erasures: Erasures) -> int:
    """Store the events that this database does not know; from now on their dyads' revisions are higher.

    What it does not know because it was erased stays unknown.
    """
    await pass_gate(conn)
    published = [one for record in found.records if (one := _found(record)) is not None]
    names = await read_names(
        conn, "detector", [(one.who.practice_id, one.who.client_id) for one in published]
    )
    events = [_named(one, names) for one in published]
    if await erasures.newest(conn) is not None:
        erased = await read_erased(conn, erasures, {one.dyad_id: one.who for one in events})
        events = [one for one in events if one.dyad_id not in erased or one.event.time > erased[one.dyad_id]]
    unknown = await _unknown(conn, events)
    if not unknown:
        return 0
    await _raise_floors(conn, unknown)
    await conn.execute(
        _STORE,
        (
            texts([found.cluster_id] * len(unknown)),
            texts([one.record.topic for one in unknown]),
            ints([one.record.partition for one in unknown]),
            bigints([one.record.offset for one in unknown]),
            uuids([one.dyad_id for one in unknown]),
            ints([one.event.data.revision for one in unknown]),
            byteas([one.record.value for one in unknown]),
        ),
    )
    until = found.read_until
    await conn.execute(
        _RAISE_GENERATION,
        {
            "partition": found.partition,
            "cluster": found.cluster_id,
            "rated": until.get(topics.SESSION_RATED.name, 0),
            "responded": until.get(topics.THERAPIST_RESPONDED.name, 0),
            "events": len(unknown),
        },
    )
    return len(unknown)


def _found(record: Record) -> _Found | None:
    try:
        event = decode_published(record.value or b"")
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError):
        return None  # not written by this service: nothing was published with it
    if isinstance(event, BeatEvent):
        return None  # its bytes follow from the minute
    who = dyad(event.data.practice_id, event.data)
    return _Found(record, event, who, dyad_id(who))


def _named(found: _Found, names: Names) -> _Found:
    practice, therapist, client, _ = found.who
    of = names.therapist(practice, therapist), names.client(practice, client)
    first, current = (
        found.who._replace(therapist_id=TherapistId(one), client_id=ClientId(other))
        for one, other in ((of[0].first, of[1].first), (of[0].current, of[1].current))
    )
    return found._replace(who=current, dyad_id=dyad_id(first))


async def _unknown(conn: Connection, found: Sequence[_Found]) -> list[_Found]:
    assessed = [
        (place, one.who.practice_id, one.dyad_id, data.session_id, data.instrument, data.revision)
        for place, one in enumerate(found)
        if isinstance(data := one.event.data, Assessed | StoredMeasure)
    ]
    changed = [
        (place, one.who.practice_id, data.episode_id, data.revision)
        for place, one in enumerate(found)
        if isinstance(data := one.event.data, Changed)
    ]
    places: set[int] = set()
    for statement, rows in ((_UNKNOWN_ASSESSMENTS, assessed), (_UNKNOWN_CHANGES, changed)):
        if rows:
            columns = tuple(list(column) for column in zip(*rows, strict=True))
            places.update(place for (place,) in await (await conn.execute(statement, columns)).fetchall())
    return [found[place] for place in sorted(places)]


async def _raise_floors(conn: Connection, unknown: Iterable[_Found]) -> None:
    highest: dict[DyadId, _Found] = {}
    for one in unknown:
        known = highest.get(one.dyad_id)
        if known is None or one.event.data.revision > known.event.data.revision:
            highest[one.dyad_id] = one
    rows = list(highest.values())
    await conn.execute(
        _RAISE_FLOORS,
        (
            uuids([one.dyad_id for one in rows]),
            texts([one.who.practice_id for one in rows]),
            texts([one.who.therapist_id for one in rows]),
            texts([one.who.client_id for one in rows]),
            texts([one.who.case_id for one in rows]),
            byteas([one.record.key for one in rows]),
            ints([one.record.partition for one in rows]),
            ints([one.event.data.revision for one in rows]),
        ),
    )


async def read_on(conn: Connection, partitions: Collection[int]) -> set[int]:
    """Return those of these partitions that have been read as far as they went when events were found."""
    parameters = {
        "partitions": list(partitions),
        "rated": topics.SESSION_RATED.name,
        "responded": topics.THERAPIST_RESPONDED.name,
    }
    return {number for (number,) in await (await conn.execute(_READ_ON, parameters)).fetchall()}


async def read_dyads(
    conn: Connection, partitions: Collection[int], after: UUID, limit: int
) -> list[tuple[Any, ...]]:
    """Return the next dyads with such events: their ids, who they are, the key and the partition."""
    return await (await conn.execute(_DYADS, (list(partitions), after, limit))).fetchall()


async def read_events(conn: Connection, dyads: Iterable[DyadId]) -> list[tuple[DyadId, PublishedEvent]]:
    """Return the events of these dyads, sorted by revision."""
    rows = await (await conn.execute(_EVENTS, (uuids(dyads),), binary=True)).fetchall()
    events = [(DyadId(id_), decode_published(value)) for id_, value in rows]
    return [(id_, event) for id_, event in events if not isinstance(event, BeatEvent)]


async def settle(conn: Connection, dyads: AbstractSet[DyadId], changes: Sequence[ChangedEvent]) -> None:
    """Store these changes as published, and forget the events of these dyads."""
    async with conn.cursor() as cursor:
        await cursor.executemany(_CHANGES, [_change(one) for one in changes])
    # What was withdrawn without being stored has the revision after the floor.
    await conn.execute(_RAISE_ONCE_MORE, (uuids(dyads),))
    await conn.execute(
        "DELETE FROM detector.published_before WHERE dyad_id = ANY(%b::uuid[])", (uuids(dyads),)
    )


def _change(event: ChangedEvent) -> tuple[object, ...]:
    data = event.data
    kept_back = None if data.kept_back is None else data.kept_back.value
    return (
        data.episode_id,
        data.revision,
        data.practice_id,
        data.change.value,
        kept_back,
        data.session_id,
        event.time,
        encode(data).decode(),
    )
