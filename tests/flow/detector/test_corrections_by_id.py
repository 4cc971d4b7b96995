"""A rating that is sent under a known id with another `recorded_at` is a version of the same rating."""

from collections.abc import AsyncIterator, Sequence
from datetime import timedelta

import httpx
import pytest

from services.runtime.kafka.record import Record
from tests.flow.detector.test_ratings import FAIR, GOOD, LOW, assessed, outcomes
from tests.flow.detector.test_results import north
from tests.support.detector.batch_driver import NOW, DetectorDriver, SentRating, body, record_of
from tests.support.invariants import broken

__all__ = ["north"]


@pytest.fixture(autouse=True)
async def invariants(detector: DetectorDriver) -> AsyncIterator[None]:
    """Every test ends in a state in which nothing is broken."""
    yield
    assert await broken(detector.conn) == {}


def version(marks: Sequence[float] | None, hours: int | None, **changes: object) -> SentRating:
    """Return session 0 with the id `one`, which was changed `hours` hours before now."""
    said = {} if hours is None else {"recorded_at": NOW - timedelta(hours=hours)}
    return body(0, marks, id="one", **said, **changes)


async def bond(detector: DetectorDriver) -> list[tuple[object, ...]]:
    return await detector.rows(
        "SELECT convert_from(marks, 'UTF8')::json->>'bond', current FROM detector.rating"
    )


async def test_a_later_version_takes_effect(detector: DetectorDriver) -> None:
    await detector.rate(version(GOOD, 3))
    (data,) = assessed(await detector.rate(version(FAIR, 2)))
    assert (data.revision, data.rating_id, data.components["bond"].score) == (2, "one", 3.5)  # type: ignore[index]
    assert await bond(detector) == [("3.5", True)]
    assert await outcomes(detector) == (1, 1, 0, 0)


async def test_a_version_that_says_when_it_was_changed_is_later_than_one_that_does_not(
    detector: DetectorDriver,
) -> None:
    await detector.rate(version(GOOD, None))
    await detector.rate(version(FAIR, 24 * 400))
    assert await bond(detector) == [("3.5", True)]


@pytest.mark.parametrize("together", [True, False], ids=["in one batch", "one by one"])
@pytest.mark.parametrize("order", [(0, 1, 2), (2, 1, 0), (1, 2, 0), (1, 0, 2)], ids=str)
async def test_the_latest_version_is_current_whatever_the_order(
    detector: DetectorDriver, order: tuple[int, ...], *, together: bool
) -> None:
    sent = [version(GOOD, 3), version(LOW, 2), version(FAIR, 1)]
    records = [record_of(sent[one], offset) for offset, one in enumerate(order)]
    await _feed(detector, records, together=together)
    assert await bond(detector) == [("3.5", True)]
    assert await outcomes(detector) == (1, 2, 0, 0)
    published = len(detector.outgoing)
    await _feed(detector, records, together=together)
    assert len(detector.outgoing) == published
    assert await outcomes(detector) == (1, 2, 0, 0)


async def _feed(detector: DetectorDriver, records: Sequence[Record], *, together: bool) -> None:
    for batch in [records] if together else [[record] for record in records]:
        await detector.feed(batch)


async def test_a_correction_back_to_the_first_marks_takes_effect(detector: DetectorDriver) -> None:
    for marks, hours in ((GOOD, 3), (FAIR, 2), (GOOD, 1)):
        await detector.rate(version(marks, hours))
    assert await bond(detector) == [("4.5", True)]
    assert await outcomes(detector) == (1, 2, 0, 0)


async def test_a_repetition_of_a_correction_is_a_duplicate(detector: DetectorDriver) -> None:
    await detector.rate(version(GOOD, 3))
    await detector.rate(version(FAIR, 2), version(FAIR, 2))
    assert await outcomes(detector) == (1, 1, 1, 0)


async def test_a_rating_is_taken_back_and_given_again_under_its_id(detector: DetectorDriver) -> None:
    await detector.rate(version(GOOD, 3))
    await detector.rate(version(None, 2, status="withdrawn"))
    assert await detector.rows("SELECT risk FROM detector.assessment") == [(None,)]
    await detector.rate(version(FAIR, 1))
    assert await detector.rows("SELECT risk IS NULL, revision FROM detector.assessment") == [(False, 3)]


async def test_it_competes_with_versions_of_other_ids(detector: DetectorDriver) -> None:
    await detector.rate(version(GOOD, 4), body(0, LOW, id="two", recorded_at=NOW - timedelta(hours=2)))
    await detector.rate(version(FAIR, 3))
    current = "SELECT rating_id FROM detector.rating WHERE current"
    assert await detector.rows(current) == [("two",)]
    await detector.rate(version(FAIR, 1))
    assert await detector.rows(current) == [("one",)]
    assert await outcomes(detector) == (1, 3, 0, 0)


@pytest.mark.parametrize(
    "other",
    [
        version(FAIR, 3),
        version(FAIR, 2, therapist_id="therapist-2"),
        version(FAIR, 2, session_id="another"),
        version(FAIR, 2, client_id="client-2"),
    ],
    ids=["the same time", "another therapist", "another session", "another client"],
)
async def test_anything_else_under_a_known_id_is_rejected(
    detector: DetectorDriver, other: SentRating
) -> None:
    await detector.rate(version(GOOD, 3))
    await detector.rate(other)
    assert await detector.rows("SELECT reason FROM detector.rejection") == [("id-reused",)]
    assert await bond(detector) == [("4.5", True)]


async def test_a_correction_that_cannot_be_used_changes_nothing(detector: DetectorDriver) -> None:
    await detector.rate(version(GOOD, 3, instrument="wai-9"))
    await detector.rate(version((9.0, 9.0, 9.0), 2))
    assert await bond(detector) == [("4.5", True)]
    assert await outcomes(detector) == (1, 0, 0, 1)


async def test_receipt_and_balance_count_every_version_once(
    detector: DetectorDriver, north: httpx.AsyncClient
) -> None:
    await detector.rate(version(GOOD, 3), version(GOOD, 3))
    await detector.rate(version(FAIR, 2))
    answer = (await north.get("/v1/ratings/one")).json()
    assert answer["status"] == "assessed"
    assert answer["assessment"]["components"]["bond"]["score"] == 3.5
    assert sorted(one["outcome"] for one in answer["deliveries"]) == ["assessed", "duplicate", "superseded"]
    counted = (await north.get("/v1/balance")).json()["deliveries"]
    assert {name: number for name, number in counted.items() if number} == {
        "assessed": 1,
        "superseded": 1,
        "duplicate": 1,
    }
