"""Times what practices and therapists read of a database of many ratings."""

import asyncio
import random
import statistics
import time
from collections.abc import Awaitable, Callable, Mapping, Sequence

import psycopg
from pydantic import SecretStr

from bench.report import report
from services.detector.results import balance, episodes, observations, ratings
from services.notifier.inbox.caseload import find_caseload
from services.notifier.inbox.items import list_items
from services.runtime.http import paging
from services.runtime.outbox import pages
from services.runtime.postgres.connect import Connection
from services.runtime.postgres.tenant_guard import connection_for, tenant_pool
from services.runtime.process.settings import DatabaseSettings

Read = Callable[[Connection], Awaitable[object]]
READS = 1_000
WARM_UP = 20


async def _time_reads(url: str, schema: str, reads: Sequence[tuple[str, Read]]) -> list[float]:
    settings = DatabaseSettings(url=SecretStr(url), pool_min_size=1)
    took: list[float] = []
    async with tenant_pool(settings, "growth", schema) as pool:
        for practice, read in reads:
            began = time.perf_counter()
            async with connection_for(pool, practice) as conn:
                await read(conn)
            took.append(1000 * (time.perf_counter() - began))
    return took[WARM_UP:]


def _rows(
    query: str, parameters: Mapping[str, object] | Sequence[object], *, first: str | None = None
) -> Read:
    async def read(conn: Connection) -> object:
        if first is not None:
            await conn.execute(first)
        return await (await conn.execute(query, parameters)).fetchall()

    return read


def _episodes(practice: str) -> Read:
    async def read(conn: Connection) -> object:
        position = await pages.page_parameters(conn, paging.START, "detector")
        values = {"practice": practice, "limit": 100, **position}
        return await (await conn.execute(episodes._PAGE, values)).fetchall()  # noqa: SLF001 - the query itself is measured

    return read


def _inbox(practice: str, therapist: str) -> Read:
    async def read(conn: Connection) -> object:
        return await list_items(conn, practice, therapist, 50)

    return read


def _observations(practice: str, after: tuple[object, object], client: str | None = None) -> Read:
    at, dyad = after
    values = {"practice": practice, "client": client, "at": at, "dyad": dyad, "limit": 100}
    return _rows(observations._OF_PRACTICE if client is None else observations._OF_CLIENT, values)  # noqa: SLF001 - the query itself is measured


def _caseload(practice: str, therapist: str) -> Read:
    async def read(conn: Connection) -> object:
        return await find_caseload(conn, practice, therapist, numbered=False)

    return read


def show_reads(url: str, stored: int) -> None:
    """Print medians and 99th percentiles of reads by practices and therapists, all chosen at random."""
    rng = random.Random(1)
    with psycopg.connect(url) as conn:
        sample = conn.execute(
            "SELECT practice_id, rating_id, client_id, session_at, dyad_id FROM detector.rating"
            " WHERE random() < %s LIMIT %s",
            ((READS + 3 * WARM_UP) / stored, READS + WARM_UP),
        ).fetchall()
        who = conn.execute(
            "SELECT practice_id, therapist_id FROM notifier.item WHERE random() < .5 LIMIT %s",
            (READS + WARM_UP,),
        ).fetchall()
    rng.shuffle(sample)
    practices = sorted({str(practice) for practice, *_ in sample})
    shapes: dict[tuple[str, str], list[tuple[str, Read]]] = {
        ("detector", "one rating"): [(str(p), _rows(ratings._RATING, (p, r))) for p, r, *_ in sample],  # noqa: SLF001 - the query itself is measured
        ("detector", "a page of 100 episodes"): [
            (practice, _episodes(practice)) for practice in rng.choices(practices, k=READS // 5)
        ],
        ("detector", "the balance"): [
            (p, _rows(balance._DELIVERIES, {"practice": p}, first=balance._INDEXES_ONLY))  # noqa: SLF001 - the query itself is measured
            for p in rng.choices(practices, k=3 * WARM_UP)
        ],
        ("detector", "a page of 100 observations, from any session on"): [
            (str(p), _observations(str(p), (at, dyad))) for p, _, _, at, dyad in sample[: READS // 5]
        ],
        ("detector", "the observations of one client"): [
            (str(p), _observations(str(p), observations._START, str(client)))  # noqa: SLF001 - the query itself is measured
            for p, _, client, *_ in sample
        ],
        ("notifier", "a page of 50 clients"): [(str(p), _caseload(str(p), str(t))) for p, t in who],
        ("notifier", "an inbox"): [(str(p), _inbox(str(p), str(t))) for p, t in who],
    }
    for (schema, name), reads in shapes.items():
        took = sorted(asyncio.run(_time_reads(url, schema, reads)))
        report(
            read=name,
            reads=len(took),
            median_ms=round(statistics.median(took), 2),
            p99_ms=round(took[int(0.99 * len(took))], 2),
        )
