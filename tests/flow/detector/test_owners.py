"""Two processes on the same tables: rows are locked, and each rating is claimed once."""

import asyncio

import pytest
from psycopg.errors import UniqueViolation

from services.detector.model.artefact import load
from services.detector.stream.pipeline import process
from services.runtime.outbox.transaction import Transaction
from services.runtime.process.errors import Collision
from tests.flow.detector.conftest import NewDatabase
from tests.support.detector.batch_driver import (
    NOW,
    DetectorDriver,
    SentRating,
    body,
    detector_driver,
    record_of,
)
from tests.support.invariants import broken
from tests.support.postgres import wait_until_blocked

GOOD = (4.5, 4.5, 4.5)


@pytest.fixture(autouse=True)
async def _known_cluster(detector: DetectorDriver) -> None:
    """Number the cluster: others would wait for whoever rates first from it, and not for the claim."""
    await detector.rows("SELECT detector.cluster_number('cluster-1')")
    await detector.conn.commit()


async def _open(place: DetectorDriver, sent: SentRating, offset: int, *more: SentRating) -> None:
    records = [record_of(one, offset + number) for number, one in enumerate((sent, *more))]
    await process(Transaction(place.conn, NOW, "cluster-1"), records, place.tools)


async def _until_waiting(url: str, holder: DetectorDriver) -> None:
    await asyncio.to_thread(wait_until_blocked, url, holder.conn.info.backend_pid)


@pytest.mark.parametrize(
    "other", [{"id": "one", "client_id": "client-2"}, {"id": "two", "therapist_id": "therapist-2"}],
    ids=["the same id", "the same session"],
)  # fmt: skip
async def test_a_claim_that_another_process_makes_at_the_same_moment_is_tried_again(
    detector: DetectorDriver, database_url: str, other: dict[str, object]
) -> None:
    async with detector_driver(database_url) as second:
        second.offset = 5
        await _open(detector, body(0, GOOD, id="one"), 0)
        waiting = asyncio.create_task(_open(second, body(0, GOOD, **other), 1))
        await _until_waiting(database_url, detector)
        await detector.conn.commit()
        with pytest.raises(Collision):
            await waiting
        await second.conn.rollback()
        await second.rate(body(0, GOOD, **other))
        settled = "SELECT 1 FROM detector.rejection UNION ALL SELECT 1 FROM detector.blocked"
        assert len(await detector.rows(settled)) == 1
        assert await broken(detector.conn) == {}


async def test_two_owners_of_a_dyad_lose_no_rating(detector: DetectorDriver, database_url: str) -> None:
    async with detector_driver(database_url) as second:
        second.offset = 5
        await _open(detector, body(-1, GOOD), 0)
        waiting = asyncio.create_task(second.rate(body(0, GOOD)))
        await _until_waiting(database_url, detector)
        await detector.conn.commit()
        await waiting
        rows = await detector.rows("SELECT history_revision, snapshot_revision FROM detector.dyad")
        assert rows == [(2, 2)]
        assert await broken(detector.conn) == {}


async def test_claims_that_cross_wait_for_each_other_in_one_order(
    detector: DetectorDriver, database_url: str
) -> None:
    async with detector_driver(database_url) as second, detector_driver(database_url) as third:
        await _open(third, body(-2, GOOD, therapist_id="therapist-3"), 0)
        first = asyncio.create_task(_open(detector, body(-1, GOOD), 1, body(-2, GOOD), body(0, GOOD)))
        await _until_waiting(database_url, third)
        crossing = [body(0, GOOD, therapist_id="therapist-2"), body(-1, GOOD, therapist_id="therapist-2")]
        other = asyncio.create_task(_open(second, crossing[0], 5, crossing[1]))
        await _until_waiting(database_url, detector)
        await third.conn.rollback()
        await first
        await detector.conn.commit()
        with pytest.raises(Collision):
            await other
        await second.conn.rollback()


async def test_a_row_that_exists_already_is_no_race(detector: DetectorDriver) -> None:
    await detector.rate(*[body(week, marks) for week, marks in ((-3, GOOD), (-2, GOOD), (-1, GOOD))])
    await detector.rate(body(0, (1.5, 1.5, 1.5)))
    assert len(await detector.rows("SELECT FROM detector.episode_change")) == 1
    await detector.rows("DELETE FROM detector.rating RETURNING 1")
    await detector.rows("DELETE FROM detector.assessment RETURNING 1")
    await detector.rows("DELETE FROM detector.dyad RETURNING 1")
    await detector.rate(*[body(week, marks) for week, marks in ((-3, GOOD), (-2, GOOD), (-1, GOOD))])
    with pytest.raises(UniqueViolation):
        await detector.rate(body(0, (1.5, 1.5, 1.5)))


@pytest.mark.parametrize("broken_bytes", [b"", b"RAP2", b"anything else"])
async def test_a_snapshot_that_cannot_be_read_is_replaced_by_folding_the_history(
    database_url: str, new_database: NewDatabase, broken_bytes: bytes
) -> None:
    risks = "SELECT session_id, revision, risk FROM detector.assessment ORDER BY 1"
    with new_database() as other:
        async with detector_driver(database_url, load()) as whole, detector_driver(other, load()) as broke:
            for place in (whole, broke):
                await place.rate(body(-2, GOOD), body(-1, GOOD))
            await broke.rows("UPDATE detector.dyad SET snapshot = %s RETURNING 1", (broken_bytes,))
            for place in (whole, broke):
                await place.rate(body(0, GOOD))
            assert await broke.rows("SELECT FROM detector.rejection") == []
            assert await broke.rows(risks) == await whole.rows(risks)
