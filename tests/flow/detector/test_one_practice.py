"""No route of the results shows another practice's rows, even where its queries ask for that practice."""

import re
from pathlib import Path

import httpx
import pytest

from schemas.events import Answer
from services.detector.results.application import results_application
from services.detector.results.dependencies import results_pool
from services.runtime.http.credentials import CredentialStore, add_key
from services.runtime.outbox.erasures import Erasures
from services.runtime.postgres import tenant_guard
from services.runtime.process.clock import SystemClock
from services.runtime.process.settings import DatabaseSettings
from tests.flow.notifier.test_strange_input import api_routes
from tests.support.detector.batch_driver import DetectorDriver, answer_of, body

NORTH = ("canary", "therapist-1", "client-1")
"""What stands in the rows of the practice `north`, and nowhere else."""
SOUTH_INSTEAD = "SELECT set_config('rapport.practice', 'south' || left(%s, 0), true)"
NOBODY_INSTEAD = "SELECT set_config('rapport.practice', left(%s, 0), true)"


async def walk(url: str, folder: Path, practice: str, episode: str) -> dict[str, str]:
    """Ask every route with the practice's key, and with the ids of `north`; return what each said."""
    keys = folder / "credentials.json"
    key = add_key(keys, grants=[practice], scopes=["results:read"])
    results = results_pool(DatabaseSettings.model_validate({"url": url}))
    app = results_application(results, CredentialStore(keys, SystemClock()), Erasures("detector"))
    parts = {"rating_id": "canary-0", "episode_id": episode}
    said = {}
    async with app.router.lifespan_context(app):
        head = {"Authorization": f"Bearer {key.secret}"}
        transport = httpx.ASGITransport(app)
        async with httpx.AsyncClient(transport=transport, base_url="http://test", headers=head) as client:
            for route in api_routes(app.routes):
                assert route.methods == {"GET"}
                path = re.sub(r"{(\w+)}", lambda part: parts[part[1]], route.path)
                answer = await client.get(path)
                assert answer.status_code in {200, 404}, (path, answer.text)
                said[route.path] = "" if answer.is_error else answer.text.replace(parts["rating_id"], "")
    return said


def named(said: dict[str, str]) -> set[str]:
    """The routes that said something of `north`, or counted one of its rows."""
    return {
        path
        for path, text in said.items()
        if any(word in text for word in NORTH) or re.search(r"[1-9]", text)
    }


async def test_no_route_shows_another_practices_rows(
    detector: DetectorDriver, database_url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    opening = body(3, (2.5, 2.5, 2.5), id="canary-3")
    await detector.rate(*[body(week, (4.5, 4.5, 4.5), id=f"canary-{week}") for week in range(3)], opening)
    await detector.rate(body(0, (4.5, 4.5, 4.5), id="canary-0"), body(0, (2.5, 2.5, 2.5), id="canary-0"))
    ((episode,),) = await detector.rows("SELECT episode_id::text FROM detector.episode")
    await detector.feed([answer_of(opening, episode, Answer.WILL_DISCUSS, 1)])
    everywhere = {
        "/v1/ratings/{rating_id}",
        "/v1/rejections",
        "/v1/episodes",
        "/v1/episodes/{episode_id}",
        "/v1/balance",
    }
    assert named(await walk(database_url, tmp_path, "north", episode)) == everywhere
    assert named(await walk(database_url, tmp_path, "south", episode)) == set()
    # From here on the queries ask for `north`, and only PostgreSQL knows better.
    for instead in (SOUTH_INSTEAD, NOBODY_INSTEAD):
        monkeypatch.setattr(tenant_guard, "_ACT_FOR", instead)
        assert named(await walk(database_url, tmp_path, "north", episode)) == set()
