"""Measures what it costs to bind a request to one practice: the same reads, bound and not, in turn.

    python -m bench.isolation [--ratings 200000] [--runs 400]

Two practices have the same number of rows. A read is a transaction on a connection of a pool: bound, it names
its practice first, and PostgreSQL applies the policies; not bound, it sees all practices' rows. The ratio is
the median over pairs of runs that followed each other.
"""

import argparse
import asyncio
import json
import statistics
import time
from collections.abc import Awaitable, Callable

import psycopg
from pydantic import SecretStr

from services.detector.results import balance, episodes, ratings
from services.notifier.inbox.items import list_items
from services.runtime.postgres.connect import Connection, CountingPool, pool_for_all_practices
from services.runtime.postgres.migrations import migrate
from services.runtime.postgres.tenant_guard import connection_for, tenant_pool
from services.runtime.process.settings import DatabaseSettings
from tests.support.detector.episodes import changed, facts_of_a_step
from tests.support.postgres import fresh_database, postgres_server

DYADS, THERAPISTS, ITEMS = 10_000, 200, 30
RATINGS = f"""
INSERT INTO detector.dyad (dyad_id, practice_id, therapist_id, client_id, case_id, record_key, partition)
SELECT md5('d' || n)::uuid, CASE WHEN n % 2 = 0 THEN 'north' ELSE 'south' END, 't-' || n % {THERAPISTS},
    'c' || n, '', '', 0 FROM generate_series(0, {DYADS - 1}) AS n;
INSERT INTO detector.rating (practice_id, rating_id, dyad_id, client_id, session_id, session_at, instrument,
    status, accepted_at, content_hash, current, cluster, partition, "offset")
SELECT practice_id, n::text, dyad_id, client_id, 's' || n, now(), 'wai-9', 'rated', now(),
    sha256('a'), n % 1000 > 0, 1, 0, n
FROM generate_series(1, {{ratings}}) AS n JOIN detector.dyad ON dyad_id = md5('d' || n % {DYADS})::uuid;
INSERT INTO detector.assessment (dyad_id, session_id, instrument, practice_id, rating_id, session_at,
    revision, model_version, may_flag, flagged, step, numbers)
SELECT dyad_id, session_id, instrument, practice_id, rating_id, session_at, 1, 'm', true, false, '', ''
FROM detector.rating WHERE current;
INSERT INTO detector.episode (episode_id, dyad_id, practice_id, therapist_id, client_id, case_id, revision,
    state, opened_session, opened_at)
SELECT dyad_id, dyad_id, practice_id, therapist_id, client_id, case_id, 1, 'open', 's', now()
FROM detector.dyad;
"""
INBOX = f"""
CREATE TEMPORARY TABLE told AS
SELECT md5('e' || n)::uuid AS episode_id, CASE WHEN n %% 2 = 0 THEN 'north' ELSE 'south' END AS practice_id,
    't-' || n / 2 %% {THERAPISTS} AS therapist_id, 'c' || n AS client_id
FROM generate_series(0, {2 * THERAPISTS * ITEMS - 1}) AS n;
INSERT INTO notifier.episode (practice_id, episode_id) SELECT practice_id, episode_id FROM told;
INSERT INTO notifier.change (episode_id, revision, change, shown, practice_id, therapist_id, client_id,
    case_id, partition, record_key, session_id, session_at, accepted_at, arrived_at, content)
SELECT episode_id, 1, 'opened', true, practice_id, therapist_id, client_id, '', 0, '', 's', now(), now(),
    now(), %s FROM told;
INSERT INTO notifier.item (episode_id, practice_id, therapist_id, client_id, case_id, partition, record_key,
    state, revision, first_revision, told_revision, session_at, told_at, changed_at)
SELECT episode_id, practice_id, therapist_id, client_id, '', 0, '', 'opened', 1, 1, 1, now(), now(), now()
FROM told;
"""
Read = Callable[[Connection], Awaitable[object]]


def fill(url: str, count: int) -> None:
    """Store the rows of both practices."""
    content = changed(facts=facts_of_a_step()).model_dump_json()
    with psycopg.connect(url, autocommit=True) as conn:
        conn.execute(RATINGS.format(ratings=count).encode())
        with psycopg.ClientCursor(conn) as cursor:
            cursor.execute(INBOX.encode(), (content,))
        conn.execute("VACUUM ANALYZE")


def rows_of(query: str, parameters: dict[str, object] | tuple[object, ...]) -> Read:
    """Return a read that fetches the rows of a query."""

    async def read(conn: Connection) -> object:
        return await (await conn.execute(query, parameters)).fetchall()

    return read


def reads(count: int) -> dict[str, tuple[str, Read]]:
    """Return the reads with the schema that each is about."""
    page: dict[str, object] = {"practice": "north", "limit": 100, "xid": "0", "seq": 0, "others": []}
    rating = ("north", str(count // 2))
    return {
        "one rating": ("detector", rows_of(ratings._RATING, rating)),  # noqa: SLF001 - the query itself is measured
        "a page of 100 episodes": ("detector", rows_of(episodes._PAGE, page)),  # noqa: SLF001 - the query itself is measured
        "the balance": ("detector", rows_of(balance._DELIVERIES, {"practice": "north"})),  # noqa: SLF001 - the query itself is measured
        f"an inbox of {ITEMS} items": ("notifier", lambda conn: list_items(conn, "north", "t-1", 50)),
    }


async def timed(pool: CountingPool, read: Read, practice: str | None) -> float:
    """Return the milliseconds of one read, bound to this practice, or not at all."""
    began = time.perf_counter()
    async with pool.connection() if practice is None else connection_for(pool, practice) as conn:
        found = await read(conn)
    took = 1000 * (time.perf_counter() - began)
    assert found
    return took


async def measure(url: str, schema: str, read: Read, runs: int) -> tuple[list[float], list[float]]:
    """Return the milliseconds of the runs that were bound, and of those that were not."""
    settings = DatabaseSettings(url=SecretStr(url), pool_min_size=1)
    bound: list[float] = []
    free: list[float] = []
    async with (
        tenant_pool(settings, "bound", schema, connections=1) as guarded,
        pool_for_all_practices(settings, "free", connections=1) as unguarded,
    ):
        for run in range(runs + 20):
            pair = [(bound, guarded, "north"), (free, unguarded, None)]
            for times, pool, practice in pair if run % 2 else reversed(pair):
                times.append(await timed(pool, read, practice))
    return bound[20:], free[20:]


def main() -> None:
    """Measure, and print a line for each read."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--ratings", type=int, default=200_000)
    parser.add_argument("--runs", type=int, default=400)
    wanted = parser.parse_args()
    with postgres_server() as server, fresh_database(server) as url:
        for service in ("detector", "notifier"):
            migrate(url, service)
        fill(url, wanted.ratings)
        for name, (schema, read) in reads(wanted.ratings).items():
            bound, free = asyncio.run(measure(url, schema, read, wanted.runs))
            ratio = statistics.median(one / other for one, other in zip(bound, free, strict=True))
            medians = {"bound_ms": statistics.median(bound), "free_ms": statistics.median(free)}
            rounded = {what: round(number, 3) for what, number in {**medians, "ratio": ratio}.items()}
            print(json.dumps({"read": name, **rounded}))


if __name__ == "__main__":
    main()
