"""Readers of the outbox begin above what was deleted, and never above a row that may still come."""

import random
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack

import pytest

from services.runtime.kafka.record import Outgoing
from services.runtime.outbox.outbox_table import Outbox, OutboxBatch
from services.runtime.postgres.connect import Connection, connect_for_all_practices
from tests.support.runtime.running_sample import until
from tests.support.runtime.sample_service import SCHEMA, Sample

EVENT = Outgoing("events", b"key", b"value", 3)


@pytest.fixture
async def connections(sample: Sample) -> AsyncIterator[list[Connection]]:
    """Five connections to the sample service's database."""
    async with AsyncExitStack() as stack:
        yield [
            await stack.enter_async_context(await connect_for_all_practices(sample.database, "test"))
            for _ in range(5)
        ]


async def write(connection: Connection, outbox: Outbox) -> int:
    """Store a row, and leave the transaction open; return its batch."""
    batch = await outbox.write(connection, [EVENT])
    assert isinstance(batch, OutboxBatch)
    return batch.number


async def raised(connection: Connection, outbox: Outbox) -> int:
    """Let the relay look once; return the floor."""
    async with connection.transaction():
        await outbox.floor.raise_(connection)
        return await outbox.floor.read(connection)


async def found(connection: Connection, outbox: Outbox) -> list[int]:
    """Return the batches that a new owner finds."""
    async with connection.transaction():
        return [row.batch for row in await outbox.read_partitions(connection, [3])]


async def test_the_floor_rises_past_what_was_deleted_and_not_past_a_row_that_waits(
    connections: list[Connection],
) -> None:
    connection, *_ = connections
    outbox = Outbox(SCHEMA)
    batches = []
    for _ in range(4):
        batches.append(await write(connection, outbox))
        await connection.commit()
    await outbox.delete_batches(connection, [*batches[:2], batches[3]])
    await connection.commit()
    await raised(connection, outbox)

    with_a_row = await raised(connection, outbox)
    waiting = await found(connection, outbox)
    await outbox.delete_batches(connection, [batches[2]])
    await connection.commit()
    await raised(connection, outbox)

    assert with_a_row == batches[2]
    assert waiting == [batches[2]]
    assert await raised(connection, outbox) == batches[3] + 1


async def test_the_floor_stays_below_a_number_whose_transaction_is_open(
    connections: list[Connection],
) -> None:
    relay, slow, quick, *_ = connections
    outbox = Outbox(SCHEMA)
    late = await write(slow, outbox)
    early = await write(quick, outbox)
    await quick.commit()
    await outbox.delete_batches(quick, [early])
    await quick.commit()

    beside = [await raised(relay, outbox) for _ in range(4)]
    await slow.commit()
    await raised(relay, outbox)

    assert max(beside) <= late
    assert await raised(relay, outbox) == late
    assert await found(relay, outbox) == [late]


async def test_no_row_is_ever_below_the_floor_whatever_the_order_of_commits(
    connections: list[Connection],
) -> None:
    """Many transactions draw, store, delete and end in any order, and two relays look in between."""
    chance = random.Random(5)  # noqa: S311 - no secret
    reader, *writers = connections
    outbox, relays = Outbox(SCHEMA), (Outbox(SCHEMA), Outbox(SCHEMA))
    open_rows: dict[int, list[int]] = {n: [] for n in range(len(writers))}
    stored: set[int] = set()
    for _ in range(400):
        n = chance.randrange(len(writers))
        step = chance.random()
        if step < 0.5:
            open_rows[n].append(await write(writers[n], outbox))
        elif step < 0.7 and stored and not open_rows[n]:
            gone = chance.choice(sorted(stored))
            await outbox.delete_batches(writers[n], [gone])
            await writers[n].commit()
            stored.discard(gone)
        elif step < 0.9:
            await writers[n].commit()
            stored |= set(open_rows[n])
            open_rows[n] = []
        else:
            await writers[n].rollback()
            open_rows[n] = []
        floor = await raised(reader, chance.choice(relays))
        assert floor <= min([*stored, *(one for rows in open_rows.values() for one in rows)], default=floor)
    assert floor > 1
    assert await found(reader, outbox) == sorted(stored)


async def test_numbers_that_a_restored_database_draws_again_are_not_below_the_floor(
    connections: list[Connection],
) -> None:
    connection, *_ = connections
    outbox = Outbox(SCHEMA)
    for _ in range(5):
        await write(connection, outbox)
    await connection.rollback()
    await raised(connection, outbox)
    # As a dump restores it: made again, with the value that it had then.
    await connection.execute(f"DROP SEQUENCE {SCHEMA}.outbox_batch")
    await connection.execute(f"CREATE SEQUENCE {SCHEMA}.outbox_batch START 3")
    await connection.commit()

    floors = [await raised(connection, outbox) for _ in range(3)]
    batch = await write(connection, outbox)
    await connection.commit()

    assert max(floors) <= batch
    assert await found(connection, outbox) == [batch]


async def test_a_running_consumer_raises_the_floor(sample: Sample, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("services.runtime.consumer.batch_consumer._RELAY_EVERY_S", 0.05)
    await sample.send(range(20))

    async with sample.consumer(max_records=2)():
        await until(
            lambda: sample.query("SELECT batch > 5 FROM sample.outbox_floor") == [(True,)], "the floor"
        )
