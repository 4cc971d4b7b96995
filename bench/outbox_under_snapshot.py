"""Measures how long the outbox is read while a snapshot, such as that of a dump, keeps deleted rows.

    python -m bench.outbox_under_snapshot [--rows 600000]

The rows are written and deleted 2,000 at a time, as a consumer does, while another transaction keeps its
snapshot. It prints milliseconds of what a new owner of 24 partitions and the relay read, from the beginning
of the table, and from its floor, which the relay raised meanwhile.
"""

import argparse
import asyncio
import statistics
import time
from collections.abc import Awaitable, Callable

import psycopg

from deploy.postgres.runtime_tables import add_outbox_floor, create_v1
from services.runtime.kafka.record import Outgoing
from services.runtime.outbox.outbox_table import Outbox
from services.runtime.postgres.connect import Connection, connect_for_all_practices
from services.runtime.process.settings import DatabaseSettings
from tests.support.postgres import fresh_database, postgres_server

SCHEMA = "bench"
PARTITIONS = 24
ROWS_AT_ONCE = 2_000
RAISE_EVERY = 25
"""Batches from one look of the relay to the next: 5 s at 10,000 rows a second."""
RUNS = 5


async def write_and_delete(connection: Connection, outbox: Outbox, rows: int) -> float:
    """Write and delete rows; return the most milliseconds that raising the floor took."""
    outgoing = [Outgoing("events", b"key", b"x" * 600, n % PARTITIONS) for n in range(ROWS_AT_ONCE)]
    longest = 0.0
    for number in range(rows // ROWS_AT_ONCE):
        async with connection.transaction():
            batch = await outbox.write(connection, outgoing)
        async with connection.transaction():
            assert batch is not None
            await outbox.delete_batches(connection, [batch.number])
        if number % RAISE_EVERY == 0:
            began = time.perf_counter()
            async with connection.transaction():
                await outbox.floor.raise_(connection)
            longest = max(longest, 1000 * (time.perf_counter() - began))
    return longest


async def timed(connection: Connection, read: Callable[[], Awaitable[object]]) -> str:
    """Return the median and the longest milliseconds of a read."""
    times = []
    for _ in range(RUNS):
        began = time.perf_counter()
        async with connection.transaction():
            await read()
        times.append(1000 * (time.perf_counter() - began))
    return f"{statistics.median(times):8.1f} ms, at most {max(times):8.1f}"


async def measure(url: str, rows: int) -> None:
    """Print the measurement."""
    with psycopg.connect(url) as conn:
        conn.execute(f"CREATE SCHEMA {SCHEMA}")
        for tables in (create_v1, add_outbox_floor):
            conn.execute(tables(SCHEMA))
    outbox = Outbox(SCHEMA)
    with psycopg.connect(url) as dump:
        dump.execute("SET TRANSACTION ISOLATION LEVEL REPEATABLE READ")
        dump.execute("SELECT 1")
        async with await connect_for_all_practices(
            DatabaseSettings.model_validate({"url": url}), "bench"
        ) as connection:
            longest = await write_and_delete(connection, outbox, rows)
            reads: dict[str, Callable[[], Awaitable[object]]] = {
                "a new owner's": lambda: outbox.read_partitions(connection, range(PARTITIONS)),
                "the relay's count": lambda: outbox.count(connection),
                "the relay's look": lambda: outbox.lock_abandoned(connection, 60, except_batches=()),
            }
            floor = await outbox.floor.read(connection)
            print(f"{rows} deleted rows; the floor was raised to {floor}, in at most {longest:.0f} ms")
            for begin, where in ((0, "the beginning"), (floor, "the floor")):
                await connection.execute(f"UPDATE {SCHEMA}.outbox_floor SET batch = %s", (begin,))
                await connection.commit()
                for name, read in reads.items():
                    print(f"{name:>18} from {where:<14}{await timed(connection, read)}", flush=True)


def main() -> None:
    """Measure on a PostgreSQL of its own."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--rows", type=int, default=600_000)
    rows = parser.parse_args().rows
    with postgres_server(durable=True) as server, fresh_database(server) as url:
        asyncio.run(measure(url, rows))


if __name__ == "__main__":
    main()
