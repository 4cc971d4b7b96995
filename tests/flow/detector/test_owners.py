"""Two processes on the same tables: rows are locked, and each rating is claimed once."""

import asyncio

import pytest
from psycopg import AsyncConnection

from services.detector.stream.pipeline import process
from services.runtime.outbox.transaction import Transaction
from services.runtime.process.errors import Retry
from tests.support.detector.batch_driver import NOW, DetectorDriver, body, detector_driver, record_of
from tests.support.invariants import broken

GOOD = (4.5, 4.5, 4.5)


async def _open(place: DetectorDriver, sent: dict[str, object], offset: int) -> None:
    await process(Transaction(place.conn, NOW, "cluster-1"), [record_of(sent, offset)], place.tools)


async def _until_it_waits(url: str) -> None:
    async with asyncio.timeout(20), await AsyncConnection.connect(url, autocommit=True) as looking:
        while True:
            row = await (await looking.execute("SELECT count(*) FROM pg_locks WHERE NOT granted")).fetchone()
            if row is not None and row[0]:
                return


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
        await _until_it_waits(database_url)
        await detector.conn.commit()
        with pytest.raises(Retry):
            await waiting
        await second.conn.rollback()
        await second.rate(body(0, GOOD, **other))
        assert len(await detector.rows("SELECT FROM detector.rejection")) == 1
        assert await broken(detector.conn) == {}


async def test_two_owners_of_a_dyad_lose_no_rating(detector: DetectorDriver, database_url: str) -> None:
    async with detector_driver(database_url) as second:
        second.offset = 5
        await _open(detector, body(-1, GOOD), 0)
        waiting = asyncio.create_task(second.rate(body(0, GOOD)))
        await _until_it_waits(database_url)
        await detector.conn.commit()
        await waiting
        rows = await detector.rows("SELECT history_revision, snapshot_revision FROM detector.dyad")
        assert rows == [(2, 2)]
        assert await broken(detector.conn) == {}
