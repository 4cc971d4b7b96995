"""Claims the ids of arriving ratings and stores new versions; duplicates are counted, the rest is rejected.

The row of a rating, unique on practice and id, is the claim on that id. A rating whose session another dyad
holds waits, and is claimed in the transaction in which that session is taken back there. A dyad of which too
many ratings arrive at once waits as well, for `jobs/take_up_in_turn.py`.
"""

from collections import Counter

from services.detector.domain.dyad_work import LANE_OF, BlockedRecord, LogPosition
from services.detector.domain.outcomes import BlockReason, DeliveryOutcome
from services.detector.domain.rating_versions import MOST_SESSIONS_OF_DYAD, RatingChanges, RatingVersions
from services.detector.storage import blocked, ratings
from services.detector.stream.batch import MOST_FOLDS, Batch, Tools
from services.detector.stream.stages.decode import take_up
from services.runtime.postgres.former_names import read_names
from services.runtime.process.errors import Collision


async def recall(batch: Batch, tools: Tools) -> None:
    """Find who is meant, add what waits for a changed session, take out the dyads that wait for their turn.

    All that is read about these waits with them, so that it takes effect in the order of the sessions.
    """
    conn = batch.tx.conn
    batch.names = await read_names(
        conn, "detector", [(one.who.practice_id, one.who.client_id) for one in batch.dyads.values()]
    )
    batch.take_names()
    if batch.records and batch.dyads:
        arrived = Counter(arrival.dyad for arrival in batch.arrivals)
        many = {dyad.id for dyad, number in arrived.items() if number > MOST_FOLDS}
        many |= await blocked.read_waiting_dyads(conn, batch.dyads.values())
        if many:
            batch.block(many, BlockReason.MANY_SESSIONS)
    sessions = [arrival.rating for arrival in batch.arrivals]
    take_up(batch, await blocked.read_of_sessions(conn, sessions), tools.catalogue)
    batch.take_names()


async def claim(batch: Batch, _tools: Tools) -> None:
    """Claim the batch's ratings in the order of the log, and store which of them have to wait.

    Raises:
        Collision: another transaction blocked or released one of the sessions at the same moment.
    """
    if batch.arrivals:
        await _claim(batch)
    conn = batch.tx.conn
    waited = {blocked.position(*one) for one in batch.taken_up}
    # A record that waits may be delivered again after its position in the log was lost.
    waits = {blocked.position(one.cluster_id, one.record): one for one in batch.blocked}
    await blocked.delete(conn, waited - waits.keys())
    await blocked.write(conn, list(waits.values()), batch.tx.now)
    new = [one for position, one in waits.items() if position not in waited and one.is_rating]
    batch.counts[DeliveryOutcome.BLOCKED] += len(new)


async def _claim(batch: Batch) -> None:
    conn, tx = batch.tx.conn, batch.tx
    stored = await ratings.read_versions(conn, batch.arrivals)
    arrived = Counter(arrival.dyad for arrival in batch.arrivals)
    # Every session raised the revision, so a history has at most as many.
    long = [
        dyad for dyad, number in arrived.items() if dyad.history_revision + number > MOST_SESSIONS_OF_DYAD
    ]
    sessions = await ratings.count_sessions(conn, long) if long else {}
    changes = RatingVersions(stored, sessions).claim(batch.arrivals, batch.dyads)
    await ratings.write(conn, changes)
    await _check_sessions(batch, changes)
    for arrival, reject in changes.rejected:
        rating, cluster = arrival.rating, arrival.log.cluster_id
        owner = {"tenant": rating.practice_id, "subject_id": rating.rating_id}
        tx.reject(arrival.record, reject, **owner, cluster_id=cluster)
    ends = len(changes.new) + len(changes.rejected) + len(changes.duplicates) + len(changes.blocked)
    if ends < len(batch.arrivals):
        # Each delivery ends as one of these, unless it was stored before and is read again.
        ended = {version.log for version in (*changes.new, *changes.corrected, *stored)}
        ended |= {arrival.log for arrival, _ in changes.rejected}
        ended |= {log for log, _ in (*changes.duplicates, *changes.outdated)}
        ended |= {arrival.log for arrival in changes.blocked}
        tx.passed_over += [one.record for one in batch.arrivals if one.log not in ended]
    batch.blocked += [
        BlockedRecord(one.log.cluster_id, one.record, one.rating, BlockReason.SESSION_IN_OTHER_DYAD)
        for one in changes.blocked
    ]
    _count(batch, changes)


async def _check_sessions(batch: Batch, changes: RatingChanges) -> None:
    """Make sure that no session was released or blocked by another transaction since it was read."""
    conn = batch.tx.conn
    if changes.blocked and not await blocked.lock_holders(conn, changes.blocked):
        raise Collision("a session was released by another process at the same moment")
    if changes.released:
        known = {blocked.position(*one) for one in batch.taken_up}
        waiting = await blocked.read_of_sessions(conn, changes.released)
        if any(blocked.position(*one) not in known for one in waiting):
            raise Collision("a session was blocked by another process at the same moment")


def _count(batch: Batch, changes: RatingChanges) -> None:
    # What waited was counted when it was read.
    waited = {
        LogPosition.of(cluster, record) for cluster, record in batch.taken_up if record.topic in LANE_OF
    }
    ended = [one for one in (*changes.new, *changes.corrected) if one.log not in waited]
    stored = sum(one.current and one.is_measure for one in ended)
    new = [one.current for one in ended]
    # One that was outdated by what arrived later was counted when it was read.
    arrived = {arrival.log for arrival in batch.arrivals} - waited if changes.outdated else set()
    new += [False for log, _ in changes.outdated if log in arrived]
    batch.counts[DeliveryOutcome.REJECTED] += sum(one.log not in waited for one, _ in changes.rejected)
    batch.counts[DeliveryOutcome.DUPLICATE] += sum(log not in waited for log, _ in changes.duplicates)
    batch.counts[DeliveryOutcome.STORED] += stored
    batch.counts[DeliveryOutcome.ASSESSED] += sum(new) - stored
    batch.counts[DeliveryOutcome.SUPERSEDED] += len(new) - sum(new)
