"""No query of the results gives another practice's rows, even where it asks for that practice."""

import json
import re
from datetime import UTC, datetime
from importlib import import_module
from pathlib import Path
from pkgutil import iter_modules

import httpx
from msgspec.structs import replace
from psycopg import AsyncConnection

from schemas import topics
from schemas.events import Answer
from services.detector import results
from services.detector.results.application import results_application
from services.detector.results.dependencies import results_pool
from services.runtime.consumer.log_ends import LogEnds
from services.runtime.http.credentials import CredentialStore
from services.runtime.http.key_file import add_key
from services.runtime.outbox.erasures import Erasure, Erasures
from services.runtime.postgres.connect import Connection
from services.runtime.postgres.migrations import migrate
from services.runtime.process.clock import SystemClock
from services.runtime.process.settings import DatabaseSettings
from tests.flow.notifier.test_strange_input import api_routes
from tests.support.detector.batch_driver import DetectorDriver, answer_of, body, record_of
from tests.support.postgres import fresh_database
from tests.support.recorded_queries import recording

NORTH = ("canary", "therapist-1", "client-1")
"""What stands in the rows of the practice `north`, and nowhere else."""
UNREADABLE = "unreadable-9"
ROUTES = {
    "/v1/ratings/{rating_id}",
    "/v1/rejections",
    "/v1/episodes",
    "/v1/episodes/{episode_id}",
    "/v1/balance",
    "/v1/fhir/Observation",
}
NO_QUERIES = {"/v1/clients/rename", "/v1/fhir/metadata"}
"""The one acts in a transaction of the consumer, and has tests of its own; the other reads nothing."""
ERASURES = Erasures("detector", b"a secret of this test")
BLOCKED = """
INSERT INTO detector.blocked (cluster_id, topic, partition, "offset", key, value, practice_id, client_id,
    rating_id, session_id, instrument, reason, recorded_at, session_at)
VALUES ('c', 't', 0, 99, '', '', 'north', 'client-1', 'canary-0', 's', 'wai-9', 'r', now(), now())
"""
RENAMED = """
INSERT INTO detector.client_name (practice_id, client_id, first_id, current_id, renamed_at)
VALUES ('north', 'client-0', 'client-0', 'client-1', now())
"""


async def erase_another_client(conn: Connection) -> None:
    """Store that a client of `north` was erased, and one delivery of a rating of the same id."""
    long_ago = datetime(2020, 1, 1, tzinfo=UTC)
    await ERASURES.record(conn, Erasure(("client", "north", "client-2"), "north", long_ago, "somebody"))
    hashed = ERASURES.hashed(("rating", "north", "canary-0"))
    await ERASURES.add_places(conn, [("c", "t", 0, 98, "north", hashed)])


def queries_of_the_results() -> list[str]:
    """Every constant of the package that is SQL."""
    modules = [import_module(f"{results.__name__}.{one.name}") for one in iter_modules(results.__path__)]
    values = [value for module in modules for value in vars(module).values() if isinstance(value, str)]
    return [value for value in values if re.search(r"(FROM|SELECT) detector\.", value)]


def is_of_no_practice(query: str) -> bool:
    """Whether it says only how far each partition was read, or which transactions are open."""
    return re.search("FROM (detector.(epoch|applied|halt)|pg_locks)", query) is not None


async def all_was_read() -> LogEnds:
    """Say that the log of ratings ends where it begins."""
    place = (topics.SESSION_RATED.name, 0)
    return LogEnds("c", begins={place: 0}, ends={place: 0})


async def walk(url: str, folder: Path, practice: str, episode: str) -> set[str]:
    """Ask every route with the practice's key and with the ids of `north`.

    Returns:
        The routes that said something of `north`, or counted one of its rows.
    """
    keys = folder / "credentials.json"
    key = add_key(keys, grants=[practice], scopes=["results:read"])
    connections = results_pool(DatabaseSettings.model_validate({"url": url}))
    app = results_application(connections, CredentialStore(keys, SystemClock()), ERASURES, all_was_read)
    parts = {"rating_id": "canary-0", "episode_id": episode}
    named = set()
    async with app.router.lifespan_context(app):
        head = {"Authorization": f"Bearer {key.secret}"}
        transport = httpx.ASGITransport(app)
        async with httpx.AsyncClient(transport=transport, base_url="http://test", headers=head) as client:
            for route in api_routes(app.routes):
                if route.path in NO_QUERIES:
                    continue
                assert route.methods == {"GET"}
                answer = await client.get(re.sub(r"{(\w+)}", lambda part: parts[part[1]], route.path))
                assert answer.status_code in {200, 404}, (route.path, answer.text)
                text = "" if answer.is_error else answer.text.replace(parts["rating_id"], "")
                if "fhir" in route.path:  # its links have numbers
                    text = json.dumps(answer.json().get("entry"))
                if any(word in text for word in NORTH) or re.search(r"[1-9]", text):
                    named.add(route.path)
            of_client = await client.get("/v1/fhir/Observation?subject=client-0")
            assert ("entry" in of_client.json()) == (practice == "north")
            # One that nobody can read yet has no practice.
            answer = await client.get(f"/v1/ratings/{UNREADABLE}")
            assert answer.status_code == (200 if practice == "north" else 404)
    return named


async def test_every_query_of_the_results_gives_another_practice_nothing(
    detector: DetectorDriver, database_url: str, postgres_url: str, tmp_path: Path
) -> None:
    opening = body(3, (2.5, 2.5, 2.5), id="canary-3")
    await detector.rate(*[body(week, (4.5, 4.5, 4.5), id=f"canary-{week}") for week in range(3)], opening)
    await detector.rate(body(0, (4.5, 4.5, 4.5), id="canary-0"), body(0, (2.5, 2.5, 2.5), id="canary-0"))
    ((episode,),) = await detector.rows("SELECT episode_id::text FROM detector.episode")
    await detector.feed([answer_of(opening, episode, Answer.WILL_DISCUSS, 1)])
    unreadable = record_of(body(0, (4.5, 4.5, 4.5), id=UNREADABLE), 0)
    value = (unreadable.value or b"").replace(b"session-rated.v1", b"session-rated.v9")
    await detector.feed([replace(unreadable, value=value)])
    async with await AsyncConnection.connect(database_url) as conn:
        await conn.execute(BLOCKED)
        await erase_another_client(conn)
        await conn.execute(RENAMED)
    with recording("detector") as recorded:
        assert await walk(database_url, tmp_path, "north", episode) == ROUTES
    assert await walk(database_url, tmp_path, "south", episode) == set()
    assert recorded.unbound == []

    missed = [query for query in queries_of_the_results() if not any(query in one for one in recorded.found)]
    assert missed == []

    with fresh_database(postgres_url) as empty:
        migrate(empty, "detector")
        recorded.assert_bound(database_url, empty, "detector")
        nothing = recorded.outcomes(empty, "detector", "north")
    # Each has something to show to its own practice, or this would tell nothing.
    own = recorded.outcomes(database_url, "detector", "north")
    assert [query for query in own if own[query] == nothing[query] and not is_of_no_practice(query)] == []
