"""GET /v1/ratings/{id} says 404 only of a rating that nobody can have accepted before the request."""

from collections.abc import AsyncIterator
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Protocol

import httpx
import pytest

from schemas import topics
from services.runtime.consumer.log_ends import LogEnds
from services.runtime.kafka.record import Record
from services.runtime.outbox.halts import HaltReason, HaltStore, PartitionHalted
from tests.flow.detector.test_results import results_client
from tests.support.detector.batch_driver import DetectorDriver, body, record_of

LIVE = topics.SESSION_RATED.name
HISTORY = topics.SESSION_HISTORY_RATED.name
GOOD = (4.5, 4.5, 4.5)


class Asker(Protocol):
    """Gives a client of the results, over logs that end at these offsets, or at unknown ones."""

    def __call__(
        self, ends: dict[tuple[str, int], int] | None, begins: dict[tuple[str, int], int] | None = None
    ) -> AbstractAsyncContextManager[httpx.AsyncClient]: ...


@pytest.fixture
def asking(detector: DetectorDriver, database_url: str, tmp_path: Path) -> Asker:
    @asynccontextmanager
    async def ask(
        ends: dict[tuple[str, int], int] | None, begins: dict[tuple[str, int], int] | None = None
    ) -> AsyncIterator[httpx.AsyncClient]:
        async def read() -> LogEnds | None:
            return None if ends is None else LogEnds("cluster-1", begins or dict.fromkeys(ends, 0), ends)

        async with results_client(database_url, tmp_path, "north", read) as client:
            yield client

    return ask


async def apply(detector: DetectorDriver, topic: str, partition: int, next_offset: int) -> None:
    await detector.rows(
        "INSERT INTO detector.applied (cluster_id, topic, partition, next_offset)"
        " VALUES ('cluster-1', %s, %s, %s) RETURNING 1",
        (topic, partition, next_offset),
    )


async def test_an_id_that_was_never_sent_is_not_found_once_everything_was_read(
    detector: DetectorDriver, asking: Asker
) -> None:
    await apply(detector, LIVE, 0, 7)
    await apply(detector, HISTORY, 0, 3)
    async with asking({(LIVE, 0): 7, (HISTORY, 0): 3}) as north:
        answer = await north.get("/v1/ratings/none")
    assert answer.status_code == 404
    assert answer.headers["content-type"] == "application/problem+json"
    assert "Send it again with the same id" in answer.json()["detail"]


@pytest.mark.parametrize(
    "ends",
    [{(LIVE, 0): 8, (HISTORY, 0): 3}, {(LIVE, 0): 7, (HISTORY, 0): 4}, {(LIVE, 0): 7, (LIVE, 1): 1}, None],
    ids=["live", "history", "a partition never read", "Kafka away"],
)
async def test_while_anything_accepted_may_not_be_read_an_unknown_rating_is_pending(
    detector: DetectorDriver, asking: Asker, ends: dict[tuple[str, int], int] | None
) -> None:
    await apply(detector, LIVE, 0, 7)
    await apply(detector, HISTORY, 0, 3)
    async with asking(ends) as north:
        answer = await north.get("/v1/ratings/none")
    assert (answer.status_code, answer.json()["status"], answer.headers["retry-after"]) == (
        200,
        "pending",
        "1",
    )


async def test_a_rating_that_is_read_while_the_ends_are_looked_at_is_found(
    detector: DetectorDriver, database_url: str, tmp_path: Path
) -> None:
    async def read() -> LogEnds:
        await apply(detector, LIVE, 0, 8)
        await detector.rate(body(0, GOOD, id="one"))
        return LogEnds("cluster-1", {(LIVE, 0): 0}, {(LIVE, 0): 8})

    async with results_client(database_url, tmp_path, "north", read) as north:
        answer = await north.get("/v1/ratings/one")
    assert (answer.status_code, answer.json()["status"]) == (200, "assessed")
    assert "retry-after" not in answer.headers


async def test_a_log_whose_records_have_expired_unread_by_a_new_database_holds_nothing(asking: Asker) -> None:
    async with asking({(HISTORY, 0): 5}, begins={(HISTORY, 0): 5}) as north:
        assert (await north.get("/v1/ratings/none")).status_code == 404


async def test_positions_in_another_cluster_say_nothing(detector: DetectorDriver, asking: Asker) -> None:
    await apply(detector, LIVE, 0, 7)
    await detector.rows("UPDATE detector.applied SET cluster_id = 'cluster-0' RETURNING 1")
    async with asking({(LIVE, 0): 7}) as north:
        assert (await north.get("/v1/ratings/none")).status_code == 200


async def test_a_halted_partition_may_hold_what_was_never_read(
    detector: DetectorDriver, asking: Asker
) -> None:
    await apply(detector, LIVE, 0, 7)
    halt = PartitionHalted((LIVE, 0), HaltReason.LOG_SHORTER, "shorter", next_offset=7)
    await HaltStore("detector").record(detector.conn, "cluster-1", halt)
    await detector.conn.commit()
    async with asking({(LIVE, 0): 5}) as north:
        assert (await north.get("/v1/ratings/none")).status_code == 200


async def test_a_record_that_could_not_be_decoded_may_be_the_rating(
    detector: DetectorDriver, asking: Asker
) -> None:
    record = record_of(body(0, GOOD, id="one"), 0)
    unreadable = (record.value or b"").replace(b"session-rated.v1", b"session-rated.v9")
    await detector.feed([Record(record.topic, record.partition, 0, 0, record.key, unreadable)])
    await apply(detector, LIVE, record.partition, 1)
    async with asking({(LIVE, record.partition): 1}) as north:
        assert (await north.get("/v1/ratings/one")).json()["status"] == "pending"
        assert (await north.get("/v1/ratings/two")).status_code == 404


async def test_a_pending_rating_says_until_when_everything_was_read(
    detector: DetectorDriver, asking: Asker
) -> None:
    await detector.rows(
        f"INSERT INTO detector.epoch SELECT '{LIVE}', n, 1 FROM generate_series(0, 1) n RETURNING 1"
    )
    answers = []
    async with asking(None) as north:
        for partition, minute in enumerate(("2026-03-02T09:31:00Z", "2026-03-02T09:30:00Z")):
            answers.append(await _read_until(north))
            await detector.rows(
                "INSERT INTO detector.heartbeat VALUES (%s, %s) RETURNING 1", (partition, minute)
            )
        answers.append(await _read_until(north))
    assert answers == [None, None, datetime(2026, 3, 2, 9, 30, tzinfo=UTC) - timedelta(seconds=10)]


async def _read_until(client: httpx.AsyncClient) -> datetime | None:
    answer = (await client.get("/v1/ratings/none")).json()
    assert answer["status"] == "pending"
    return datetime.fromisoformat(answer["read_until"]) if "read_until" in answer else None
