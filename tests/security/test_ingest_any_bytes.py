"""Whatever bytes come in: an answer that says what was wrong, never a fault of ours."""

import json
import socket
from collections.abc import Iterator
from typing import Any
from urllib.parse import urlsplit

import httpx
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.support.fhir_resources import RESPONSE, bundle, response
from tests.support.ingest.process import IngestProcess
from tests.support.ingest.running import RATING

VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=20),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=8), inner, max_size=4),
    max_leaves=8,
)
FIELDS = st.sampled_from([*RATING, "id", "case_id", "scores", "status", "next_session_at", "recorded_at"])
NEARLY = st.dictionaries(FIELDS, VALUES, max_size=4).map(
    lambda wrong: json.dumps({**RATING, **wrong}).encode()
)
BODIES = st.binary(max_size=200) | NEARLY
RESPONSES = st.dictionaries(
    st.sampled_from([*RESPONSE, "id", "meta", "source", "contained", "extension", "modifierExtension"]),
    VALUES,
    max_size=3,
)
RESOURCES = st.binary(max_size=200) | st.one_of(
    RESPONSES.map(lambda wrong: {**response(), **wrong}),
    RESPONSES.map(lambda wrong: bundle({**response(), **wrong, "resourceType": "QuestionnaireResponse"})),
    VALUES.map(lambda wrong: {**bundle(response()), "entry": wrong}),
    VALUES.map(lambda wrong: response(item=[{"linkId": "1", "answer": wrong}])),
).map(lambda resource: json.dumps(resource).encode())
# Valid now and then; without an id in the text they are one rating.
EXAMPLES = settings(max_examples=150, deadline=None)


@pytest.fixture(scope="module")
def http(ingest: IngestProcess) -> Iterator[httpx.Client]:
    """A client with a key."""
    with httpx.Client(base_url=ingest.url, headers=ingest.key("fuzzed"), timeout=20) as client:
        yield client


def problem(response: httpx.Response) -> dict[str, Any]:
    """The body of a refusal."""
    assert response.headers["content-type"] == "application/problem+json"
    found: dict[str, Any] = response.json()
    return found


def status_of(ingest: IngestProcess, sent: bytes) -> int | None:
    """The status that the bytes are answered with; None where nothing is answered."""
    with socket.create_connection(("127.0.0.1", urlsplit(ingest.url).port or 0), timeout=20) as connection:
        connection.sendall(sent)
        connection.shutdown(socket.SHUT_WR)
        answer = b"".join(iter(lambda: connection.recv(65_536), b""))
    return int(answer.split(b" ", 2)[1]) if answer else None


@given(body=BODIES)
@EXAMPLES
def test_any_body_is_accepted_or_refused_with_a_problem(http: httpx.Client, body: bytes) -> None:
    response = http.post("/v1/ratings", content=body, headers={"Content-Type": "application/json"})
    assert response.status_code in {202, 400, 422, 429}
    if response.status_code != 202:
        assert problem(response)["status"] == response.status_code


@given(bodies=st.lists(BODIES, max_size=8), end=st.sampled_from([b"", b"\n", b"\r\n"]))
@EXAMPLES
def test_any_batch_has_one_result_for_each_line_that_is_not_blank(
    http: httpx.Client, bodies: list[bytes], end: bytes
) -> None:
    body = b"\n".join(bodies) + end
    sent = [number for number, line in enumerate(body.split(b"\n"), start=1) if line.strip(b" \t\r\x0b\x0c")]
    response = http.post("/v1/ratings/batch", content=body, headers={"Content-Type": "application/x-ndjson"})
    assert response.status_code == 200
    results = [json.loads(line) for line in response.content.splitlines()]
    assert [result["line"] for result in results] == sent
    assert {result["status"] for result in results} <= {"accepted", "refused"}


@given(body=RESOURCES, path=st.sampled_from(["", "/QuestionnaireResponse"]))
@EXAMPLES
def test_any_resource_is_accepted_or_refused_with_an_outcome(
    http: httpx.Client, body: bytes, path: str
) -> None:
    answer = http.post(f"/v1/fhir{path}", content=body, headers={"Content-Type": "application/fhir+json"})
    assert answer.status_code in {200, 202, 400, 422, 429}
    assert answer.headers["content-type"] == "application/fhir+json"
    kind = "Bundle" if answer.status_code == 200 else "OperationOutcome"
    assert answer.json()["resourceType"] == kind


@given(
    authorization=st.binary(max_size=60),
    practice=st.binary(max_size=60),
    kind=st.binary(max_size=60),
)
@EXAMPLES
def test_any_headers_are_refused(
    ingest: IngestProcess, authorization: bytes, practice: bytes, kind: bytes
) -> None:
    head = b"POST /v1/ratings HTTP/1.1\r\nHost: t\r\nContent-Length: 2\r\nConnection: close\r\n"
    fields = {b"Authorization": authorization, b"Rapport-Practice": practice, b"Content-Type": kind}
    for name, value in fields.items():
        head += name + b": " + value.replace(b"\r", b"").replace(b"\n", b"") + b"\r\n"
    assert status_of(ingest, head + b"\r\n{}") in {400, 401, 415}


@given(sent=st.binary(max_size=200))
@EXAMPLES
def test_what_is_no_http_is_400_or_not_answered(ingest: IngestProcess, sent: bytes) -> None:
    assert status_of(ingest, sent + b"\r\n\r\n") in {None, 400, 404, 405}


def test_nothing_of_all_this_was_a_fault_of_ours(ingest: IngestProcess, http: httpx.Client) -> None:
    events = [json.loads(line)["event"] for line in ingest.output.read_text().splitlines()]
    assert "request-failed" not in events
    assert http.get("/healthz").status_code == 200
