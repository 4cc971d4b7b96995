"""What was published is compared with the log: what either lost is taken up or published again."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta

import psycopg
import pytest

from services.runtime.consumer import batch_consumer
from services.runtime.consumer.published_check import FoundRecords, PublishedTopics
from services.runtime.process.cli_plugin import StoredEvent
from tests.support.runtime.running_sample import Running, until
from tests.support.runtime.sample_service import Sample


async def test_what_a_service_published_and_its_database_lacks_is_taken_up_at_the_next_assignment(
    sample: Sample,
) -> None:
    await sample.send(range(10))
    async with sample.consumer()():
        await until(lambda: len(sample.effects()) == 10)
    assert sample.query("SELECT next_offset FROM sample.published WHERE partition = 0") == [(10,)]
    found: list[str] = []

    async def take_up(_connection: object, records: FoundRecords) -> int:
        found.extend((record.value or b"").decode() for record in records.records)
        assert records.read_until == {sample.topic: 10}
        return len(records.records)

    published = PublishedTopics([sample.out], take_up)
    async with sample.consumer(published=published)():
        pass
    assert found == []  # everything that follows in the log would be new

    with psycopg.connect(sample.database_url) as conn:
        conn.execute("UPDATE sample.published SET next_offset = 7")
    async with sample.consumer(published=published)():
        pass
    assert found == ["7", "8", "9"]
    async with sample.consumer(published=published)():
        pass
    assert found == ["7", "8", "9"]


async def test_what_a_log_lost_before_its_readers_came_so_far_is_published_again(sample: Sample) -> None:
    await sample.send(range(10))
    async with sample.consumer()():
        await until(lambda: len(sample.effects()) == 10)
    before = await sample.published()
    lost = StoredEvent("e-11", "the eleventh", sample.out, 0, b"key", b'{"id": "e-11"}')
    held = StoredEvent("e-1", "the first", sample.out, 0, b"key", b'{"id": "e-1"}')
    elsewhere = StoredEvent("e-12", "of a whole log", sample.out, 1, b"key", b'{"id": "e-12"}')
    await sample.send([held.value.decode()], topic=sample.out)

    async def stored(_connection: object, since: datetime) -> list[StoredEvent]:
        assert timedelta() < datetime.now(UTC) - since - timedelta(minutes=1) < timedelta(minutes=1)
        return [held, lost, elsewhere]

    async def take_up(_connection: object, records: FoundRecords) -> int:
        return 0

    # As if the records 11 to 13 of what was published had been lost with a disk.
    with psycopg.connect(sample.database_url) as conn:
        conn.execute("UPDATE sample.published SET next_offset = 14 WHERE partition = 0")
    published = PublishedTopics([sample.out], take_up, stored, kept_s=60)
    for _ in range(2):
        async with sample.consumer(published=published)():
            await until(lambda: sample.query("SELECT count(*) FROM sample.outbox") == [(0,)], "the relay")
    after = await sample.published()
    assert after[len(before) :] == [held.value.decode(), lost.value.decode()]


PUBLISHED = "SELECT next_offset FROM sample.published WHERE partition = 0"


@asynccontextmanager
async def ten_published(sample: Sample, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[Running]:
    """A process that has published ten records, and whose relay runs only when a test runs it."""
    monkeypatch.setattr(batch_consumer, "_RELAY_EVERY_S", 3600.0)
    process = sample.consumer()
    await sample.send(range(10))
    async with process():
        publisher = process.consumer._context.publisher
        await until(lambda: publisher.ends.get((sample.out, 0)) == 10, "the records are published")
        yield process


async def test_a_process_without_further_records_stores_how_far_it_has_published(
    sample: Sample, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with ten_published(sample, monkeypatch) as process:
        publisher = process.consumer._context.publisher
        await process.consumer._relay.run_once(include_abandoned=False)
        assert sample.query("SELECT count(*) FROM sample.outbox") == [(0,)]
        assert sample.query(PUBLISHED) == [(10,)]

        # Where the log took records at earlier offsets since, it has to be compared with the greater end.
        publisher.ends[sample.out, 0] = 4
        publisher.shortened.add((sample.out, 0))
        await process.consumer._relay.run_once(include_abandoned=False)
        assert sample.query(PUBLISHED) == [(10,)]


async def test_how_far_a_process_published_is_not_stored_in_a_database_that_was_restored(
    sample: Sample, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with ten_published(sample, monkeypatch) as process:
        await until(lambda: process.value("rapport_last_batch_timestamp_seconds") > 0, "the batch's end")
        with psycopg.connect(sample.database_url) as conn:
            conn.execute("DELETE FROM sample.published")
            conn.execute("UPDATE sample.applied SET next_offset = 6, last_crc = NULL WHERE partition = 0")

        await process.consumer._relay.run_once(include_abandoned=False)

        assert sample.query("SELECT count(*) FROM sample.outbox") == [(0,)]
        assert sample.query(PUBLISHED) == []
    assert sample.query(PUBLISHED) == []


async def test_what_a_process_published_last_is_compared_with_the_log_although_the_first_looks_fail(
    sample: Sample,
) -> None:
    lost = StoredEvent("e-11", "the eleventh", sample.out, 0, b"key", b'{"id": "e-11"}')
    looks = 0

    async def stored(_connection: object, _since: datetime) -> list[StoredEvent]:
        nonlocal looks
        looks += 1
        if looks < 3:
            raise psycopg.OperationalError("the connection is lost")
        return [lost]

    async def take_up(_connection: object, _records: FoundRecords) -> int:
        return 0

    await sample.send(range(10))
    process = sample.consumer(published=PublishedTopics([sample.out], take_up, stored, kept_s=60))
    async with process():
        own_ends = process.consumer._context.publisher.unchecked_ends
        await until(lambda: own_ends.get((sample.out, 0)) == 10, "the records are published")
        # As if it had published the records 11 to 13 since it stored how far it came, and they had been lost.
        own_ends[sample.out, 0] = 14
        # Published at the offset of the eleventh: the log grows again before anything looks at it.
        await sample.send([10, 11, 12, 13, 14])
        await until(lambda: sample.query("SELECT count(*) FROM sample.outbox") == [(0,)], "the relay")
        with psycopg.connect(sample.database_url) as conn:
            conn.execute("UPDATE sample.applied SET next_offset = 9, last_crc = NULL WHERE partition = 0")
        await sample.send([15])
        await until(lambda: looks == 3 and len(sample.effects()) == 16)
        await until(lambda: sample.query("SELECT count(*) FROM sample.outbox") == [(0,)], "the relay")
    assert (await sample.published()).count(lost.value.decode()) == 1
    assert looks == 3


async def test_what_a_log_lost_is_published_again_although_rows_of_an_ended_process_fill_its_place(
    sample: Sample,
) -> None:
    await sample.send(range(10))
    async with sample.consumer()():
        await until(lambda: len(sample.effects()) == 10)
    before = await sample.published()
    lost = StoredEvent("e-11", "the eleventh", sample.out, 0, b"key", b'{"id": "e-11"}')
    left = [
        StoredEvent(f"e-{n}", "left", sample.out, 0, b"key", b'{"id": "e-%d"}' % n) for n in range(14, 20)
    ]

    async def stored(_connection: object, _since: datetime) -> list[StoredEvent]:
        return [lost, *left]

    async def take_up(_connection: object, _records: FoundRecords) -> int:
        return 0

    # The records 11 to 13 are lost, and a process has ended before it published six more.
    with psycopg.connect(sample.database_url) as conn:
        conn.execute("UPDATE sample.published SET next_offset = 14 WHERE partition = 0")
        for seq, row in enumerate(left):
            conn.execute(
                "INSERT INTO sample.outbox (batch, seq, topic, partition, key, value, headers)"
                " VALUES (nextval('sample.outbox_batch'), %s, %s, 0, 'key', %s, decode('90', 'hex'))",
                (seq, sample.out, row.value),
            )
    async with sample.consumer(published=PublishedTopics([sample.out], take_up, stored, kept_s=60))():
        await until(lambda: sample.query("SELECT count(*) FROM sample.outbox") == [(0,)], "the relay")
    after = await sample.published()
    assert sorted(after[len(before) :]) == sorted(row.value.decode() for row in [lost, *left])


@pytest.mark.parametrize("foreign", [{"7"}, {"6", "9"}, {"5", "6", "7", "8", "9"}])
async def test_a_record_of_another_program_among_what_was_published_holds_nothing_up(
    sample: Sample, foreign: set[str]
) -> None:
    await sample.send(range(10))
    async with sample.consumer()():
        await until(lambda: len(sample.effects()) == 10)
    with psycopg.connect(sample.database_url) as conn:
        conn.execute("UPDATE sample.published SET next_offset = 5")
    found: list[str] = []

    async def take_up(connection: psycopg.AsyncConnection[tuple[object, ...]], records: FoundRecords) -> int:
        values = [(record.value or b"").decode() for record in records.records]
        for value in values:
            await connection.execute("SELECT 1 / %s", (int(value not in foreign),))
        found.extend(values)
        return len(values)

    published = PublishedTopics([sample.out], take_up)
    async with sample.consumer(published=published)():
        await sample.send([10])
        await until(lambda: len(sample.effects()) == 11)
    assert found == [value for value in ("5", "6", "7", "8", "9") if value not in foreign]
    assert sample.query("SELECT next_offset >= 10 FROM sample.published WHERE partition = 0") == [(True,)]


async def test_what_was_published_is_looked_at_again_while_the_database_fails(sample: Sample) -> None:
    await sample.send(range(3))
    async with sample.consumer()():
        await until(lambda: len(sample.effects()) == 3)
    with psycopg.connect(sample.database_url) as conn:
        conn.execute("UPDATE sample.published SET next_offset = 0")
    found: list[int] = []

    async def take_up(_connection: object, records: FoundRecords) -> int:
        found.append(len(records.records))
        if len(found) < 3:
            raise psycopg.OperationalError("the connection is lost")
        return 0

    process = sample.consumer(published=PublishedTopics([sample.out], take_up))
    async with process():
        await sample.send([3])
        await until(lambda: len(sample.effects()) == 4)
    assert found == [3, 3, 3]
