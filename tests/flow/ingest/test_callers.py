"""Who may send, and for which practice."""

from datetime import timedelta
from pathlib import Path

from services.runtime.http.key_file import add_key, read_keys, rotate_key
from tests.support.ingest.running import RATING, MovedClock, Running, running_ingest

NETWORK = {"grants": ["net-1", "net-2"], "network": True}


async def test_without_a_key_the_answer_is_401(ingest: Running) -> None:
    response = await ingest.post({})
    assert (response.status_code, response.headers["www-authenticate"]) == (401, "Bearer")
    assert response.headers["content-type"] == "application/problem+json"


async def test_an_unknown_key_is_401_at_both_doors(ingest: Running) -> None:
    headers = {"Authorization": "Bearer rpt_unknown"}
    assert (await ingest.post(headers)).status_code == 401
    assert (await ingest.batch(headers, b"")).status_code == 401


async def test_a_key_without_the_scope_is_403(ingest: Running) -> None:
    headers = ingest.key("reader", scopes=["results:read"])
    assert (await ingest.post(headers)).status_code == 403


async def test_a_practice_key_with_a_foreign_practice_is_404(ingest: Running) -> None:
    headers = ingest.key("mine") | {"Rapport-Practice": "theirs"}
    assert (await ingest.post(headers)).status_code == 404
    assert await ingest.published("theirs") == []


async def test_a_network_key_speaks_for_the_practice_in_the_header(ingest: Running) -> None:
    headers = ingest.key("", **NETWORK) | {"Rapport-Practice": "net-2"}
    assert (await ingest.post(headers)).status_code == 202
    assert len(await ingest.published("net-2")) == 1


async def test_a_network_key_without_the_header_is_400(ingest: Running) -> None:
    assert (await ingest.post(ingest.key("", **NETWORK))).status_code == 400


async def test_a_network_key_with_a_practice_it_does_not_list_is_404(ingest: Running) -> None:
    headers = ingest.key("", **NETWORK) | {"Rapport-Practice": "net-3"}
    assert (await ingest.post(headers)).status_code == 404


async def test_a_practice_in_the_payload_is_refused_as_an_unknown_field(ingest: Running) -> None:
    response = await ingest.post(ingest.key("payload"), {**RATING, "practice_id": "theirs"})
    assert response.status_code == 422
    assert response.json()["errors"][0]["field"] == "practice_id"


async def test_a_rotated_key_ends_and_its_successor_works_without_a_restart(
    ingest: Running, clock: MovedClock
) -> None:
    old = add_key(ingest.keys, grants=["rotated"], scopes=["ratings:write"])
    headers = {"Authorization": f"Bearer {old.secret}"}
    assert (await ingest.post(headers)).status_code == 202
    new = rotate_key(ingest.keys, old.key_id, overlap=timedelta(hours=1), now=clock.now())
    assert (await ingest.post(headers)).status_code == 202
    clock.move(3601)
    assert (await ingest.post(headers)).status_code == 401
    assert (await ingest.post({"Authorization": f"Bearer {new.secret}"})).status_code == 202


async def test_a_missing_credentials_file_leaves_the_known_keys_in_force(ingest: Running) -> None:
    headers = ingest.key("kept")
    assert (await ingest.post(headers)).status_code == 202
    assert read_keys(ingest.keys)
    ingest.keys.unlink()
    assert (await ingest.post(headers)).status_code == 202


async def test_without_any_credentials_file_the_answer_is_503_and_the_log_says_what_to_do(
    kafka_env: dict[str, str], tmp_path: Path, clock: MovedClock
) -> None:
    async with running_ingest(kafka_env, tmp_path, clock=clock) as ingest:
        ingest.keys.unlink()
        response = await ingest.post({"Authorization": "Bearer rpt_any"})
        said = [entry for entry in ingest.logs if entry["event"] == "credentials-unreadable"]
    assert (response.status_code, response.headers["retry-after"]) == (503, "5")
    assert "rapport practices add" in said[0]["why"]
