"""No value of a rating is in any answer, log line or metric: canaries go in and are looked for."""

import json
import socket
from typing import Any
from urllib.parse import urlsplit

import httpx
import pytest

from tests.support.ingest.process import IngestProcess
from tests.support.ingest.running import RATING

CANARY = "canary"
WRONG: dict[str, dict[str, Any]] = {
    "accepted": {"client_id": "canary-client", "therapist_id": "canary-therapist", "session_id": "canary-s"},
    "an address": {"client_id": "canary@example.org"},
    "white space": {"therapist_id": "canary canary"},
    "too long": {"session_id": "canary" * 50},
    "no instrument": {"instrument": "canary"},
    "no date": {"session_at": "canary"},
    "no status": {"status": "canary"},
    "marks as text": {"items": ["canary", "canary", "canary", "canary"]},
    "scores as text": {"items": None, "scores": {"bond": "canary", "goal": "canary", "task": "canary"}},
    "a case": {"case_id": "canary\u0000"},
    "an id": {"id": "canary/canary"},
    "an object": {"client_id": {"first": "canary"}},
    "a field of their own": {"note": "canary"},
    "an unreadable field of their own": {"canary canary": 1},
}


@pytest.mark.parametrize("query", ["", "?dry_run=true"])
def test_no_canary_comes_out(ingest: IngestProcess, query: str) -> None:
    headers = ingest.key("practice-1")
    bodies = [json.dumps({**RATING, **wrong}).encode() for wrong in WRONG.values()]
    bodies += [b'{"client_id": "canary', b'{"client_id": "canary\xff"}', b"canary"]
    with httpx.Client(base_url=ingest.url, headers=headers, timeout=20) as http:
        said = [
            http.post(f"/v1/ratings{query}", content=body, headers={"Content-Type": "application/json"})
            for body in bodies
        ]
        said.append(
            http.post(
                f"/v1/ratings/batch{query}",
                content=b"\n".join(bodies),
                headers={"Content-Type": "application/x-ndjson"},
            )
        )
        said.append(http.get(f"{ingest.management_url}/metrics"))
    assert [response.status_code for response in said[:-2]] == [200 if query else 202] + [422] * 13 + [
        400
    ] * 3
    assert [response.text for response in said if CANARY in response.text] == []
    assert [str(response.headers) for response in said if CANARY in str(response.headers)] == []
    assert CANARY not in ingest.output.read_text()


def test_an_address_or_a_header_with_a_value_in_it_leaves_nothing_in_the_log(ingest: IngestProcess) -> None:
    httpx.get(f"{ingest.url}/v1/canary?canary=canary", headers={"canary": "canary"})
    with socket.create_connection(("127.0.0.1", urlsplit(ingest.url).port or 0), timeout=20) as connection:
        connection.sendall(b"GET /canary\x7f canary\r\ncanary\r\n\r\n")
        answer = connection.recv(65_536)
    assert b" 400 " in answer
    assert b"canary" not in answer
    assert CANARY not in ingest.output.read_text()
