"""Every delivery that the detector reads ends with an outcome; one that a rule passes over is noticed."""

from collections.abc import Sequence

import pytest

from services.detector.domain.rating_versions import RatingVersions
from services.detector.stream.pipeline import process
from services.runtime.kafka.record import Record
from services.runtime.outbox.transaction import Transaction
from tests.support.detector.batch_driver import DetectorDriver, body, record_of
from tests.support.invariants import deliveries

GOOD = (4.5, 4.5, 4.5)
FAIR = (3.5, 3.5, 3.5)
LOW = (2.5, 2.5, 2.5)


async def passed_over(detector: DetectorDriver, records: Sequence[Record]) -> list[Record]:
    found: list[Record] = []

    async def work(tx: Transaction) -> None:
        await process(tx, records, detector.tools)
        found.extend(tx.passed_over)

    await detector.transact(work)
    return found


async def test_each_delivery_has_an_outcome_also_when_it_is_read_again(detector: DetectorDriver) -> None:
    sent = [
        body(-1, GOOD, id="a"),
        body(-1, GOOD, id="a"),
        body(-1, LOW, id="a"),
        body(-1, FAIR, id="b"),
        body(0, None, id="c"),
        body(0, GOOD, id="d", instrument="nobody-knows"),
        body(0, GOOD, id="e", therapist_id="t-2"),
    ]
    records = [record_of(one, offset) for offset, one in enumerate(sent)]
    assert await passed_over(detector, records) == []
    waiting = await detector.rows("SELECT FROM detector.blocked")
    assert len(waiting) == 1
    assert sum((await deliveries(detector.conn)).values()) + len(waiting) == len(sent)
    assert await passed_over(detector, records) == []


async def test_a_delivery_that_a_rule_passes_over_is_noticed(
    detector: DetectorDriver, monkeypatch: pytest.MonkeyPatch
) -> None:
    claim_one = RatingVersions._claim
    monkeypatch.setattr(
        RatingVersions, "_claim", lambda of, one: one.rating.rating_id == "b" or claim_one(of, one)
    )
    records = [record_of(body(week, GOOD, id=id_), week) for week, id_ in enumerate("abc")]
    assert await passed_over(detector, records) == [records[1]]
