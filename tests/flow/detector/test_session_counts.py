"""New sessions are counted once, however often they are assessed again."""

from schemas.events import Status
from services.detector.domain.outcomes import BatchCounts, Count, DeliveryOutcome
from services.detector.stream.pipeline import process
from services.detector.stream.session_counts import new_assessments
from services.runtime.outbox.transaction import Transaction
from tests.support.detector.batch_driver import DetectorDriver, body, record_of

GOOD = (4.5, 4.5, 4.5)
LOW = (2.5, 2.5, 2.5)
InputRating = dict[str, object]


async def counted(
    detector: DetectorDriver, *sent: InputRating, practice: str = "north"
) -> tuple[BatchCounts, int]:
    """What a batch counts, and how many findings it gives."""
    kept: list[tuple[BatchCounts, int]] = []

    async def work(tx: Transaction) -> None:
        records = [record_of(one, detector.offset + n, practice=practice) for n, one in enumerate(sent)]
        detector.offset += len(sent)
        batch = await process(tx, records, detector.tools)
        found = new_assessments(batch, detector.tools.models.default)
        kept.append((batch.counts, len(found)))

    await detector.transact(work)
    return kept[0]


async def test_rated_declined_and_flagged_sessions_are_counted(detector: DetectorDriver) -> None:
    sent = [body(-4, GOOD), body(-3, GOOD), body(-2, GOOD), body(-1, LOW), body(0)]
    counts, found = await counted(detector, *sent)
    assert (counts[Status.RATED], counts[Status.DECLINED], counts[Count.FLAGGED], found) == (4, 1, 1, 5)


async def test_made_up_sessions_are_no_statistics_of_the_model(detector: DetectorDriver) -> None:
    sent = [body(-4, GOOD), body(-3, GOOD), body(-2, GOOD), body(-1, LOW), body(0)]
    counts, found = await counted(detector, *sent, practice="north.sandbox")
    assert (counts[DeliveryOutcome.ASSESSED], counts[Status.RATED], counts[Count.FLAGGED]) == (5, 0, 0)
    assert found == 0, "nothing enters the drift"


async def test_a_session_that_is_assessed_again_is_not_counted_again(detector: DetectorDriver) -> None:
    await counted(detector, body(-4, GOOD), body(-2, GOOD), body(-1, GOOD))
    counts, found = await counted(detector, body(-3, GOOD))
    assert (counts[Status.RATED], found) == (1, 1)
    counts, found = await counted(detector, body(-2, LOW))
    assert (counts[Status.RATED], found) == (0, 0)


async def test_a_cancelled_appointment_is_counted_as_no_session(detector: DetectorDriver) -> None:
    counts, found = await counted(detector, body(-1, GOOD), body(0, status="cancelled"))
    assert (counts[Status.RATED], counts[Status.DECLINED], counts[Status.CANCELLED], found) == (1, 0, 1, 1)
    counts, _ = await counted(detector, body(0, GOOD))
    assert (counts[Status.RATED], counts[Status.CANCELLED]) == (0, 0)
