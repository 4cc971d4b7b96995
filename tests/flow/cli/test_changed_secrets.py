"""The secret of the record keys may change at any time: a client's history goes on under the new keys."""

import secrets
from pathlib import Path

import httpx
import pytest

from schemas.ids import ClientId, Dyad, PracticeId, TherapistId, record_key
from tests.support.backend import Backend
from tests.support.service_stack import ServiceStack, running_stack, wait_until


def rating(number: int, mark: float) -> dict[str, object]:
    return {
        "client_id": "c-1",
        "therapist_id": "t-1",
        "session_id": f"s-{number}",
        "session_at": f"2026-01-{number:02}T10:00:00+01:00",
        "instrument": "srs",
        "items": [mark] * 4,
    }


def episodes(stack: ServiceStack) -> list[dict[str, object]]:
    """Return the practice's episodes as the results API shows them."""
    answer = httpx.get(
        f"{stack.where.results_url}/v1/episodes",
        headers={"Authorization": f"Bearer {stack.where.key}", "Rapport-Practice": "north"},
        trust_env=False,
    )
    found: list[dict[str, object]] = answer.json()["episodes"]
    return found


@pytest.mark.backends("embedded")
def test_a_history_goes_on_when_the_secret_of_the_record_keys_changes(
    backend: Backend, database_url: str, tmp_path: Path
) -> None:
    usual = [rating(number, 9.0 + number % 2 / 10) for number in range(1, 7)]
    fallen = [rating(number, 2.0) for number in range(7, 9)]
    other = tmp_path / "another-record-key"
    other.write_text(secrets.token_hex(32))
    with running_stack(backend, database_url, tmp_path) as stack:
        stack.send("north", usual)
        wait_until(lambda: stack.balance().deliveries["assessed"] == len(usual), "the usual is assessed")
        stack.supervisor.restart("ingest", {"RAPPORT_KEY_SECRET_FILE": str(other)})
        stack.send("north", fallen)
        wait_until(lambda: stack.balance().deliveries["assessed"] == 8, "all are assessed")
        found = episodes(stack)
        before = (tmp_path / "secrets" / "record-key").read_text()

    dyad = Dyad(PracticeId("north"), TherapistId("t-1"), ClientId("c-1"))
    assert record_key(other.read_text().encode(), dyad) != record_key(before.encode(), dyad)
    assert [one["client_id"] for one in found] == ["c-1"]
