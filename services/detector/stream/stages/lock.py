"""Locks and reads the rows of a batch's dyads: until the commit no other transaction changes them."""

from collections.abc import Mapping, Sequence
from datetime import datetime

import msgspec

from schemas.ids import DyadId
from schemas.rating_order import session_order
from services.detector.domain.dyad_work import Arrival, DyadWork
from services.detector.domain.episode_changes import Decision
from services.detector.domain.outcomes import BlockReason
from services.detector.storage.blocked import position, read_until
from services.detector.storage.erased import read_erased
from services.detector.storage.practices import practice_keys, read_practices
from services.detector.stream.batch import MOST_FOLDS, Batch, Tools
from services.detector.stream.stages.decode import take_up
from services.runtime.postgres.arrays import byteas, ints, texts, uuids
from services.runtime.postgres.connect import Connection
from services.runtime.process.log import get_logger

# One statement creates what is missing and locks everything, in key order, so that two owners of the same
# partition wait for one another and never in a circle. An update whose condition is false changes nothing
# and locks all the same; it is true only after the secret behind the keys has changed.
_LOCK = """
INSERT INTO detector.dyad AS d (dyad_id, practice_id, therapist_id, client_id, case_id, record_key,
    partition)
SELECT * FROM unnest(%b::uuid[], %b::text[], %b::text[], %b::text[], %b::text[], %b::bytea[], %b::int[])
    AS new (dyad_id, practice_id, therapist_id, client_id, case_id, key, partition)
ORDER BY new.dyad_id
ON CONFLICT (practice_id, dyad_id) DO UPDATE SET record_key = EXCLUDED.record_key,
    partition = EXCLUDED.partition
    WHERE d.record_key <> EXCLUDED.record_key OR d.partition <> EXCLUDED.partition
"""
_READ = """
SELECT d.dyad_id, history_revision, snapshot_revision, snapshot_model, snapshot, decision, revision_floor,
    EXISTS (SELECT FROM detector.published_before p WHERE p.dyad_id = d.dyad_id)
FROM unnest(%b::text[], %b::uuid[]) AS wanted (practice_id, dyad_id)
CROSS JOIN LATERAL (
    SELECT * FROM detector.dyad k WHERE k.practice_id = wanted.practice_id AND k.dyad_id = wanted.dyad_id
    OFFSET 0
) d
"""
_RAISE_FLOOR = """
UPDATE detector.dyad SET revision_floor = %s WHERE practice_id = %s AND dyad_id = %s
"""

MOST_REFOLDED = 5_000
"""Sessions that one transaction of take-up assesses again; a client beyond that waits for the next one."""

_decode = msgspec.msgpack.Decoder(Decision).decode


async def lock(batch: Batch, tools: Tools) -> None:
    """Lock the batch's dyads and read them and their practices.

    Those of a practice whose model is not loaded are left out: what was read about them waits. So does a
    rating before the newest session of a long history.
    """
    conn = batch.tx.conn
    if not batch.dyads:
        return
    ids = {dyad.who.practice_id for dyad in batch.dyads.values()}
    practices = await read_practices(conn, ids, batch.tx.now, tools.models, tools.rows)
    if unscored := {id_ for id_, dyad in batch.dyads.items() if dyad.who.practice_id not in practices}:
        get_logger().error("model-not-loaded", practices=sorted(ids - practices.keys()))
        batch.block(unscored, BlockReason.MODEL_NOT_LOADED)
    dyads = list(batch.dyads.values())
    for dyad in dyads:
        dyad.practice = practices[dyad.who.practice_id]
    if dyads:
        await _lock(conn, dyads)
        await _read(conn, batch.dyads)
        await _count_on_after_erasure(conn, batch.dyads, tools)
    if batch.records and (refolds := {one.dyad.id for one in batch.arrivals if _refolds_much(one)}):
        batch.block(refolds, BlockReason.MANY_SESSIONS)
    elif batch.takes_all_before:
        await _take_all_before(batch, tools)


def _refolds_much(arrival: Arrival) -> bool:
    """Return whether a rating changes so long a history that assessing it anew would hold up the others."""
    dyad = arrival.dyad
    return dyad.history_revision > MOST_FOLDS and (dyad.snapshot is None or _newest_from(arrival) is not None)


def _newest_from(arrival: Arrival) -> datetime | None:
    """Return when its dyad's newest assessed session took place; None when the rating is of a later one."""
    last = arrival.dyad.decision.folded.last
    return last.session_at if last is not None and session_order(arrival.rating) <= last else None


async def _take_all_before(batch: Batch, tools: Tools) -> None:
    """Add what waits before the newest session of a history that is assessed again anyway.

    Otherwise each turn would assess it again from its beginning, so often that a history which is sent newest
    first, or corrected as a whole, would take time that grows with its square.
    """
    refolded = {one.dyad.id: (one.dyad, newest) for one in batch.arrivals if (newest := _newest_from(one))}
    taken = {position(*one) for one in batch.taken_up}
    sessions = 0
    for id_, (dyad, newest) in refolded.items():
        if sessions >= MOST_REFOLDED:
            batch.block({id_}, BlockReason.MANY_SESSIONS)
            continue
        waiting = await read_until(batch.tx.conn, dyad, newest, MOST_REFOLDED)
        take_up(batch, [one for one in waiting if position(*one) not in taken], tools.catalogue)
        batch.take_names()
        sessions += dyad.history_revision + len(waiting)


async def _lock(conn: Connection, dyads: Sequence[DyadWork]) -> None:
    await conn.execute(
        _LOCK,
        (
            uuids([d.id for d in dyads]),
            texts([d.who.practice_id for d in dyads]),
            texts([d.who.therapist_id for d in dyads]),
            texts([d.who.client_id for d in dyads]),
            texts([d.who.case_id for d in dyads]),
            byteas([d.key for d in dyads]),
            ints([d.partition for d in dyads]),
        ),
    )


async def _count_on_after_erasure(conn: Connection, dyads: Mapping[DyadId, DyadWork], tools: Tools) -> None:
    """Let the revisions of those who return after an erasure be higher than those published before it.

    Nothing of what was erased is kept, so it is the number of minutes from 1970 to the erasure: no rating is
    assessed anew, and no episode changes, once a minute for years.
    """
    new = {id_: one.who for id_, one in dyads.items() if not one.history_revision and not one.revision_floor}
    if not new or await tools.erasures.newest(conn) is None:
        return
    for id_, until in (await read_erased(conn, tools.erasures, new)).items():
        dyads[id_].revision_floor = int(until.timestamp()) // 60
        dyad = dyads[id_]
        await conn.execute(_RAISE_FLOOR, (dyad.revision_floor, dyad.who.practice_id, id_))


async def _read(conn: Connection, dyads: Mapping[DyadId, DyadWork]) -> None:
    rows = await (await conn.execute(_READ, practice_keys(dyads.values()), binary=True)).fetchall()
    for id_, history_revision, revision, model, snapshot, decision, floor, is_restored in rows:
        dyad = dyads[id_]
        dyad.revision_floor, dyad.is_restored = floor, is_restored
        dyad.history_revision = history_revision
        practice = dyad.practice
        if revision == history_revision and model == practice.model.version and snapshot is not None:
            dyad.snapshot = snapshot if practice.model.reads(snapshot) else None
        if decision is not None:
            dyad.decision = dyad.decision_before = _decode(decision)
