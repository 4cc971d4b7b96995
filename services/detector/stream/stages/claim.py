"""Claims the ids of arriving ratings and stores new versions; duplicates are counted, the rest is rejected.

The row of a rating, unique on practice and id, is the claim on that id.
"""

from services.detector.domain.outcomes import DeliveryOutcome
from services.detector.domain.rating_versions import RatingVersions
from services.detector.storage import ratings
from services.detector.stream.batch import Batch, Tools


async def claim(batch: Batch, _tools: Tools) -> None:
    """Claim the batch's ratings in the order of the log."""
    if not batch.arrivals:
        return
    stored = await ratings.read_versions(batch.tx.conn, batch.arrivals)
    changes = RatingVersions(stored).claim(batch.arrivals, batch.dyads)
    await ratings.write(batch.tx.conn, changes)
    for arrival, reject in changes.rejected:
        rating = arrival.rating
        batch.tx.reject(arrival.record, reject, tenant=rating.practice_id, subject_id=rating.rating_id)
    if len(changes.new) + len(changes.rejected) + len(changes.duplicates) < len(batch.arrivals):
        # Each delivery ends as one of these, unless it was stored before and is read again.
        ended = {version.log for version in (*changes.new, *stored)}
        ended |= {arrival.log for arrival, _ in changes.rejected} | {log for log, _ in changes.duplicates}
        batch.tx.passed_over += [one.record for one in batch.arrivals if one.log not in ended]
    batch.counts[DeliveryOutcome.REJECTED] += len(changes.rejected)
    batch.counts[DeliveryOutcome.DUPLICATE] += len(changes.duplicates)
    batch.counts[DeliveryOutcome.ASSESSED] += sum(version.current for version in changes.new)
    batch.counts[DeliveryOutcome.SUPERSEDED] += sum(not version.current for version in changes.new)
