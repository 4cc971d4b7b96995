"""Measures how many reads of the results API a pool answers, by its number of connections.

    python -m bench.pool_sizes [--ratings 50000] [--seconds 3]

32 callers ask at the same time, each for one rating or a page of 100 episodes in turn, bound to a practice as
requests are. It prints reads per second and milliseconds of a read with its wait, in two rounds.
"""

import argparse
import asyncio
import itertools
import statistics
import time

from pydantic import SecretStr

from bench.isolation import Read, fill, reads
from services.runtime.postgres.connect import CountingPool
from services.runtime.postgres.migrations import migrate
from services.runtime.postgres.tenant_guard import connection_for, tenant_pool
from services.runtime.process.settings import DatabaseSettings
from tests.support.postgres import fresh_database, postgres_server

CALLERS = 32
SIZES = (1, 2, 4, 8, 16)


async def ask(pool: CountingPool, chosen: list[Read], until: float, times: list[float]) -> None:
    """Ask again and again until a moment."""
    for read in itertools.cycle(chosen):
        began = time.perf_counter()
        if began > until:
            return
        async with connection_for(pool, "north") as conn:
            await read(conn)
        times.append(1000 * (time.perf_counter() - began))


async def measure(url: str, size: int, chosen: list[Read], seconds: float) -> list[float]:
    """Return the milliseconds of every read."""
    settings = DatabaseSettings(url=SecretStr(url), pool_min_size=size)
    times: list[float] = []
    async with tenant_pool(settings, "results", "detector", connections=size, read_only=True) as pool:
        await pool.wait()
        until = time.perf_counter() + seconds
        await asyncio.gather(*(ask(pool, chosen, until, times) for _ in range(CALLERS)))
    return times


def main() -> None:
    """Measure, and print a line for each size and round."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--ratings", type=int, default=50_000)
    parser.add_argument("--seconds", type=float, default=3)
    given = parser.parse_args()
    with postgres_server(durable=True) as server, fresh_database(server) as url:
        for service in ("detector", "notifier"):
            migrate(url, service)
        fill(url, given.ratings)
        chosen = [read for schema, read in list(reads(given.ratings).values())[:2] if schema == "detector"]
        for size in (*SIZES, *reversed(SIZES)):
            times = asyncio.run(measure(url, size, chosen, given.seconds))
            p50, p99 = statistics.median(times), statistics.quantiles(times, n=100)[-1]
            print(
                f"{size:3} connections: {len(times) / given.seconds:7.0f} reads/s, p50 {p50:5.1f} ms,"
                f" p99 {p99:6.1f} ms",
                flush=True,
            )


if __name__ == "__main__":
    main()
