"""Arrivals in; new ratings stored, duplicates counted, the rest rejected; what changed by dyad out.

The row of a rating, unique on practice and id, is the claim on that id.
"""

from services.detector.domain.rating_versions import Desk
from services.detector.domain.reasons import DeliveryOutcome
from services.detector.storage import ratings
from services.detector.stream.batch import Arrival, Batch, Tools
from services.runtime.process.errors import Reject


async def claim(batch: Batch, tools: Tools) -> None:
    """Take the batch's ratings up, in the order of the log."""
    if batch.arrivals:
        known = await ratings.read_known(batch)
        desk = Desk(batch.tx.cluster_id, batch.dyads, known, tools.catalogue)

        def refused(arrival: Arrival, reject: Reject) -> None:
            rating = arrival.rating
            batch.tx.reject(arrival.record, reject, tenant=rating.practice_id, subject_id=rating.rating_id)
            batch.counts[DeliveryOutcome.REJECTED] += 1

        desk.take(batch.arrivals, refused)
        await ratings.write(batch.tx.conn, known)
        batch.counts[DeliveryOutcome.DUPLICATE] += len(known.duplicates)
        batch.counts[DeliveryOutcome.ASSESSED] += sum(version.current for version in known.new)
        batch.counts[DeliveryOutcome.SUPERSEDED] += sum(not version.current for version in known.new)
