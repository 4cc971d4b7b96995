"""The results API shows a practice its own ratings, rejections, episodes and balance, and nobody else's."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import timedelta
from pathlib import Path
from uuid import uuid4

import httpx
import pytest
from pydantic import SecretStr

from services.detector.results.application import results_application
from services.detector.results.dependencies import ReadEnds, ends_unknown, results_pool
from services.runtime.http.credentials import CredentialStore
from services.runtime.http.key_file import add_key
from services.runtime.outbox.erasures import Erasures
from services.runtime.process.clock import SystemClock
from services.runtime.process.settings import DatabaseSettings
from tests.support.detector.batch_driver import NOW, DetectorDriver, body, detector_driver
from tests.support.detector.toy_detector import StatisticsReader
from tests.support.postgres import CROSSING_DIGITS, pass_transaction

GOOD = (4.5, 4.5, 4.5)
LOW = (2.5, 2.5, 2.5)


@asynccontextmanager
async def results_client(
    url: str, folder: Path, practice: str, read_ends: ReadEnds = ends_unknown
) -> AsyncIterator[httpx.AsyncClient]:
    keys = folder / "credentials.json"
    key = add_key(keys, grants=[practice], scopes=["results:read"])
    results = results_pool(DatabaseSettings(url=SecretStr(url)))
    app = results_application(results, CredentialStore(keys, SystemClock()), Erasures("detector"), read_ends)
    async with app.router.lifespan_context(app):
        transport = httpx.ASGITransport(app)
        head = {"Authorization": f"Bearer {key.secret}"}
        async with httpx.AsyncClient(transport=transport, base_url="http://test", headers=head) as client:
            yield client


@pytest.fixture
async def north(
    detector: DetectorDriver, database_url: str, tmp_path: Path
) -> AsyncIterator[httpx.AsyncClient]:
    """A client with the key of the practice `north`."""
    async with results_client(database_url, tmp_path, "north") as client:
        yield client


@pytest.fixture
async def south(
    detector: DetectorDriver, database_url: str, tmp_path: Path
) -> AsyncIterator[httpx.AsyncClient]:
    """A client with the key of another practice."""
    async with results_client(database_url, tmp_path, "south") as client:
        yield client


async def test_an_assessed_rating_shows_its_assessment(
    detector: DetectorDriver, north: httpx.AsyncClient
) -> None:
    await detector.rate(body(0, GOOD, id="one"))
    answer = (await north.get("/v1/ratings/one")).json()
    assert (answer["status"], answer["assessment"]["risk"], answer["standing"]["flagged"]) == (
        "assessed",
        0.1,
        False,
    )
    assert [one["outcome"] for one in answer["deliveries"]] == ["assessed"]


async def test_every_delivery_of_a_rating_is_listed(
    detector: DetectorDriver, north: httpx.AsyncClient
) -> None:
    await detector.rate(body(0, GOOD, id="one"), body(0, GOOD, id="one"), body(0, LOW, id="one"))
    answer = (await north.get("/v1/ratings/one")).json()
    assert [one["outcome"] for one in answer["deliveries"]] == ["assessed", "duplicate", "rejected"]


async def test_a_superseded_rating_is_shown_as_superseded_without_an_assessment(
    detector: DetectorDriver, north: httpx.AsyncClient
) -> None:
    await detector.rate(body(0, GOOD, id="a"))
    await detector.rate(body(0, LOW, id="b"))
    answer = (await north.get("/v1/ratings/a")).json()
    assert (answer["status"], "assessment" in answer) == ("superseded", False)


async def test_a_rejected_rating_is_shown_with_the_reason(
    detector: DetectorDriver, north: httpx.AsyncClient
) -> None:
    await detector.rate(body(0, GOOD, id="one", instrument="nobody-knows"))
    answer = (await north.get("/v1/ratings/one")).json()
    assert (answer["status"], answer["reason"]) == ("rejected", "unknown-instrument")


async def test_a_rating_that_waits_says_for_what_and_is_counted(
    detector: DetectorDriver, north: httpx.AsyncClient
) -> None:
    await detector.rate(body(0, GOOD), body(0, GOOD, id="two", therapist_id="therapist-2"))
    answer = (await north.get("/v1/ratings/two")).json()
    assert (answer["status"], answer["reason"]) == ("blocked", "session-in-other-dyad")
    assert [one["outcome"] for one in answer["deliveries"]] == ["blocked"]
    assert (await north.get("/v1/balance")).json()["deliveries"]["blocked"] == 1


async def test_a_rating_that_was_not_read_yet_is_pending(north: httpx.AsyncClient) -> None:
    assert (await north.get("/v1/ratings/none")).json() == {
        "id": "none",
        "status": "pending",
        "deliveries": [],
    }


async def test_the_balance_adds_up(detector: DetectorDriver, north: httpx.AsyncClient) -> None:
    await detector.rate(*[body(week, GOOD) for week in (-4, -3, -2)])
    await detector.rate(body(-1, LOW), body(-1, LOW), body(0, GOOD, instrument="nobody-knows"))
    assert (await north.get("/v1/balance")).json() == {
        "deliveries": {
            "assessed": 4,
            "stored": 0,
            "superseded": 0,
            "duplicate": 1,
            "blocked": 0,
            "erased": 0,
            "rejected": {"unknown-instrument": 1},
        },
        "episodes": {"opened": 1, "told": 1, "kept_back": {}},
    }


async def test_an_episode_is_listed_and_shown_whole(
    detector: DetectorDriver, north: httpx.AsyncClient
) -> None:
    await detector.rate(*[body(week, GOOD) for week in (-4, -3, -2)])
    await detector.rate(body(-1, LOW))
    (listed,) = (await north.get("/v1/episodes")).json()["episodes"]
    shown = (await north.get(f"/v1/episodes/{listed['episode_id']}")).json()
    assert (listed["state"], listed["opened_session"], len(shown["trajectory"])) == ("open", "s-1", 4)
    assert [one["data"]["change"] for one in shown["changes"]] == ["opened"]


async def test_pages_follow_one_another_and_end_empty(
    detector: DetectorDriver, north: httpx.AsyncClient
) -> None:
    await detector.rate(
        *[body(week, GOOD, instrument="nobody-knows", id=f"r{week}") for week in range(-5, 0)]
    )
    seen, after = [], None
    while True:
        asked = {"limit": "2"} | ({"after": after} if after else {})
        page = (await north.get("/v1/rejections", params=asked)).json()
        if not page["rejections"]:
            break
        seen += [one["rating_id"] for one in page["rejections"]]
        after = page["next"]
    assert seen == ["r-5", "r-4", "r-3", "r-2", "r-1"]


LISTS = {
    "episodes": (
        "opened_session",
        """INSERT INTO detector.episode (episode_id, dyad_id, practice_id, therapist_id, client_id, case_id,
            revision, state, opened_session, opened_at, xid)
        SELECT gen_random_uuid(), gen_random_uuid(), 'north', 't', 'c', '', 1, 'open', number, now(),
            number::xid8 FROM unnest(%s::text[]) AS number""",
    ),
    "rejections": (
        "rating_id",
        """INSERT INTO detector.rejection (cluster_id, topic, partition, "offset", reason, detail, tenant,
            subject_id, recorded_at, xid)
        SELECT 'c', 't', 0, number::bigint, 'id-reused', '', 'north', number, now(), number::xid8
        FROM unnest(%s::text[]) AS number""",
    ),
}


@pytest.mark.parametrize("path", LISTS)
@pytest.mark.parametrize("limit", [1, 5])
async def test_pages_skip_no_row_where_the_numbers_of_transactions_get_another_digit(
    detector: DetectorDriver, north: httpx.AsyncClient, path: str, limit: int
) -> None:
    name, insert = LISTS[path]
    expected = [str(number) for number in CROSSING_DIGITS]
    await detector.conn.execute(insert, (expected,))
    await detector.conn.commit()
    await pass_transaction(detector.conn, max(CROSSING_DIGITS))
    seen: list[str] = []
    after = ""
    for _ in range(2 * len(expected)):
        page = (await north.get(f"/v1/{path}", params={"limit": limit, "after": after})).json()
        seen += [one[name] for one in page[path]]
        after = page["next"] or after
    assert seen == expected


async def test_what_belongs_to_another_practice_is_not_found(
    detector: DetectorDriver, south: httpx.AsyncClient
) -> None:
    await detector.rate(*[body(week, GOOD, id=f"r{week}") for week in (-4, -3, -2)])
    await detector.rate(body(-1, LOW))
    ((episode,),) = await detector.rows("SELECT episode_id FROM detector.episode")
    assert (await south.get(f"/v1/episodes/{episode}")).status_code == 404
    assert (await south.get("/v1/episodes")).json()["episodes"] == []
    assert (await south.get("/v1/ratings/r-4")).json()["status"] == "pending"
    assert (await south.get("/v1/balance")).json()["deliveries"]["assessed"] == 0


async def test_an_unknown_episode_is_not_found(north: httpx.AsyncClient) -> None:
    assert (await north.get(f"/v1/episodes/{uuid4()}")).status_code == 404


@pytest.mark.parametrize("path", ["/v1/ratings/a", "/v1/rejections", "/v1/episodes", "/v1/balance"])
async def test_nothing_is_shown_without_a_valid_key(north: httpx.AsyncClient, path: str) -> None:
    assert (await north.get(path, headers={"Authorization": "Bearer wrong"})).status_code == 401


async def test_the_connections_of_the_results_api_cannot_write(
    detector: DetectorDriver, database_url: str
) -> None:
    results = results_pool(DatabaseSettings(url=SecretStr(database_url)))
    await results.open()
    try:
        async with results.connection() as conn:
            row = await (await conn.execute("SHOW transaction_read_only")).fetchone()
            assert row == ("on",)
    finally:
        await results.close()


async def test_an_assessment_names_the_statistics_that_were_read_for_it(
    database_url: str, tmp_path: Path
) -> None:
    async with detector_driver(database_url, StatisticsReader()) as reader:
        await reader.practice()
        await reader.conn.execute(
            "INSERT INTO detector.practice_statistics VALUES ('north', 's-1', %s, %s, %s, 20, 60, %s)",
            (NOW - timedelta(days=6), NOW - timedelta(days=7), NOW - timedelta(days=372), [0.5] * 21),
        )
        await reader.conn.execute("UPDATE detector.practice SET statistics = 1")
        await reader.conn.commit()
        await reader.rate(body(-1, GOOD, id="before"), body(0, GOOD, id="after"))
        async with results_client(database_url, tmp_path, "north") as client:
            shown = [(await client.get(f"/v1/ratings/{id_}")).json() for id_ in ("before", "after")]
    assert [one["assessment"].get("statistics_version") for one in shown] == [None, "s-1"]
