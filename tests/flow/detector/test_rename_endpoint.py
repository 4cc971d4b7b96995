"""POST /v1/clients/rename: a practice's system gives a client another reference."""

from collections.abc import AsyncIterator
from datetime import datetime
from pathlib import Path

import httpx
import pytest
from pydantic import SecretStr

from schemas import topics
from schemas.envelope import decode
from schemas.events import ClientRenamed
from services.detector.results.application import results_application
from services.detector.results.dependencies import cannot_rename, ends_unknown, results_pool
from services.detector.storage.client_names import ClientRenaming, rename_and_publish
from services.runtime.http.credentials import CredentialStore
from services.runtime.http.key_file import add_key
from services.runtime.outbox.erasures import Erasures
from services.runtime.outbox.transaction import Transaction
from services.runtime.process.clock import SystemClock
from services.runtime.process.settings import DatabaseSettings
from tests.support.detector.batch_driver import DetectorDriver, body

GOOD = (4.5, 4.5, 4.5)
WANTED = {"client_id": "client-1", "new_client_id": "x-2"}
PATH = "/v1/clients/rename"


@pytest.fixture
async def north(
    detector: DetectorDriver, database_url: str, tmp_path: Path
) -> AsyncIterator[httpx.AsyncClient]:
    """A client with a key of the practice that may write ratings, and rename while the database is there."""

    async def rename(practice: str, old: str, new: str, actor: str) -> datetime:
        if old == "nowhere":
            return await cannot_rename(practice, old, new, actor)
        done: list[datetime] = []

        async def work(tx: Transaction) -> None:
            renaming = ClientRenaming(practice, old, new, actor)
            done.append(await rename_and_publish(tx, renaming, detector.tools.erasures))

        await detector.transact(work)
        return done[0]

    keys = tmp_path / "credentials.json"
    key = add_key(keys, grants=["north"], scopes=["ratings:write", "results:read"])
    results = results_pool(DatabaseSettings(url=SecretStr(database_url)))
    credentials = CredentialStore(keys, SystemClock())
    app = results_application(results, credentials, Erasures("detector"), ends_unknown, rename)
    async with app.router.lifespan_context(app):
        head = {"Authorization": f"Bearer {key.secret}"}
        async with httpx.AsyncClient(
            transport=httpx.ASGITransport(app), base_url="http://test", headers=head
        ) as client:
            yield client


async def test_a_client_is_renamed_once_however_often_it_is_asked(
    detector: DetectorDriver, north: httpx.AsyncClient
) -> None:
    await detector.rate(body(0, GOOD, id="one"))
    first, again = [await north.post(PATH, json=WANTED) for _ in range(2)]
    assert (first.status_code, again.json()) == (200, first.json())
    assert (first.json()["client_id"], first.json()["former_client_id"]) == ("x-2", "client-1")
    assert (await north.get("/v1/ratings/one")).json()["assessment"]["client_id"] == "x-2"
    ((actor,),) = await detector.rows("SELECT actor FROM detector.audit WHERE action = 'client-renamed'")
    assert actor.startswith("key ")
    announced = [one for one in detector.outgoing if one.topic == topics.EPISODE_CHANGED.name]
    assert [decode(one.value).data for one in announced] == [
        ClientRenamed(
            practice_id="north",
            former_client_id="client-1",
            client_id="x-2",
            renamed_at=detector.now,
        )
    ] * 2
    assert len({one.value for one in announced}) == 1


async def test_two_histories_are_refused_with_what_to_do(
    detector: DetectorDriver, north: httpx.AsyncClient
) -> None:
    await detector.rate(body(-1, GOOD), body(0, GOOD, client_id="x-2"))
    answer = await north.post(PATH, json=WANTED)
    assert (answer.status_code, answer.headers["content-type"]) == (409, "application/problem+json")
    assert "withdrawn" in answer.json()["detail"]
    assert await detector.rows("SELECT FROM detector.client_name") == []


async def test_what_cannot_be_stored_now_is_to_be_sent_again(north: httpx.AsyncClient) -> None:
    answer = await north.post(PATH, json={"client_id": "nowhere", "new_client_id": "x-2"})
    assert (answer.status_code, answer.headers["retry-after"]) == (503, "5")


@pytest.mark.parametrize(
    "sent",
    [
        {"client_id": "a", "new_client_id": "a"},
        {"client_id": "a", "new_client_id": "b c"},
        {"client_id": "a"},
        {"client_id": "a", "new_client_id": "b", "therapist_id": "t"},
    ],
)
async def test_wrong_references_are_named(north: httpx.AsyncClient, sent: dict[str, str]) -> None:
    answer = await north.post(PATH, json=sent)
    assert (answer.status_code, bool(answer.json()["errors"])) == (422, True)


async def test_a_key_that_only_reads_renames_nobody(north: httpx.AsyncClient, tmp_path: Path) -> None:
    reader = add_key(tmp_path / "credentials.json", grants=["north"], scopes=["results:read"])
    head = {"Authorization": f"Bearer {reader.secret}"}
    assert (await north.post(PATH, json=WANTED, headers=head)).status_code in {401, 403}
