"""FHIR over HTTP: what is answered, and what lies in the log."""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import httpx
import pytest

from services.ingest.fhir.texts import BUNDLE, DECLINED, RESPONSE
from services.runtime.http.key_file import add_key
from tests.support.fhir_resources import answered, bundle, encounter, response
from tests.support.ingest.running import MovedClock, Running, running_ingest

FHIR = {"Content-Type": "application/fhir+json"}


async def send(
    ingest: Running, headers: Mapping[str, str], sent: object, path: str = "/QuestionnaireResponse"
) -> httpx.Response:
    """Send a resource as JSON, or bytes as they are."""
    content = sent if isinstance(sent, bytes) else json.dumps(sent).encode()
    return await ingest.http.post(f"/v1/fhir{path}", content=content, headers={**FHIR, **headers})


def issues(answer: httpx.Response) -> list[dict[str, Any]]:
    """The issues of an OperationOutcome, which every error is."""
    assert answer.headers["content-type"] == "application/fhir+json"
    body = answer.json()
    assert body["resourceType"] == "OperationOutcome"
    found: list[dict[str, Any]] = body["issue"]
    return found


def statuses(answer: httpx.Response) -> list[str]:
    """The statuses of a bundle's entries."""
    assert answer.status_code == 200, answer.text
    return [entry["response"]["status"] for entry in answer.json()["entry"]]


async def test_an_accepted_response_lies_in_the_log_as_a_rating(ingest: Running) -> None:
    answer = await send(ingest, ingest.key("fhir-one"), response())
    (record,) = await ingest.published("fhir-one")
    assert answer.status_code == 202
    assert answer.headers["location"] == "/v1/ratings/r-1"
    assert [issue["severity"] for issue in issues(answer)] == ["information"]
    data = record.event["data"]
    assert (data["rating_id"], data["client_id"], data["therapist_id"]) == ("r-1", "c-7f3a91", "t-12")
    assert (data["session_id"], data["session_at"]) == ("s-1", "2026-11-20T09:00:00Z")
    assert (data["instrument"], data["status"]) == ("srs", "rated")
    assert data["items"] == [9.2, 8.8, 9.0, 9.1]


async def test_a_response_and_the_same_rating_are_one(ingest: Running) -> None:
    headers = ingest.key("fhir-same")
    await send(ingest, headers, response())
    rating = {
        "id": "r-1",
        "client_id": "c-7f3a91",
        "therapist_id": "t-12",
        "session_id": "s-1",
        "session_at": "2026-11-20T09:00:00Z",
        "recorded_at": "2026-11-20T09:00:00Z",
        "instrument": "srs",
        "items": [9.2, 8.8, 9.0, 9.1],
    }
    await ingest.post(headers, rating)
    one, other = [record.event["data"] for record in await ingest.published("fhir-same")]
    assert one["content_hash"] == other["content_hash"]


@pytest.mark.parametrize("example", [RESPONSE, DECLINED], ids=["rated", "declined"])
async def test_the_documents_examples_are_accepted(ingest: Running, example: object) -> None:
    assert (await send(ingest, ingest.key("fhir-examples"), example)).status_code == 202


async def test_the_documents_example_of_a_bundle_is_accepted(ingest: Running) -> None:
    answer = await send(ingest, ingest.key("fhir-example-bundle"), BUNDLE, "")
    assert statuses(answer) == ["202 Accepted", "200 OK"]


async def test_a_dry_run_stores_nothing(ingest: Running) -> None:
    headers = ingest.key("fhir-dry")
    one = await send(ingest, headers, response(), "/QuestionnaireResponse?dry_run=true")
    many = await send(ingest, headers, bundle(response()), "?dry_run=true")
    assert (one.status_code, statuses(many)) == (200, ["200 OK"])
    assert await ingest.published("fhir-dry") == []


async def test_a_mark_out_of_range_is_placed_at_its_question(ingest: Running) -> None:
    items = answered({"valueDecimal": 9}, {"valueDecimal": 11}, {"valueDecimal": 9}, {"valueDecimal": 9})
    answer = await send(ingest, ingest.key("fhir-range"), response(item=items))
    assert answer.status_code == 422
    (issue,) = issues(answer)
    assert issue["expression"] == ["QuestionnaireResponse.item[1]"]
    assert issue["code"] == "invalid"
    assert issue["details"]["text"] == ("QuestionnaireResponse.item[1] is out of range. Expected: 0 to 10.")
    assert issue["details"]["coding"] == [{"system": "urn:rapport:problem", "code": "invalid"}]


async def test_errors_repeat_nothing_that_was_sent(ingest: Running) -> None:
    sent = response(
        subject={"reference": "Patient/maria.muster", "identifier": {"value": "maria muster@x"}},
        item=answered({"valueString": "maria.muster"}),
        questionnaire="urn:maria.muster",
    )
    answer = await send(ingest, ingest.key("fhir-canary"), sent)
    assert answer.status_code == 422
    assert "muster" not in answer.text


@pytest.mark.parametrize(
    ("sent", "status"),
    [(b"{", 400), (b"[]", 422), (b'"a"', 422), (b"\xff", 400), ({"resourceType": "Patient"}, 422)],
)
async def test_what_is_no_response_is_refused_as_an_outcome(
    ingest: Running, sent: object, status: int
) -> None:
    headers = ingest.key("fhir-broken")
    for path in ("/QuestionnaireResponse", ""):
        answer = await send(ingest, headers, sent, path)
        assert answer.status_code == status, path
        assert issues(answer)


async def test_keys_and_practices_are_those_of_ratings(ingest: Running, tmp_path: Path) -> None:
    of_network = add_key(ingest.keys, grants=["a", "b"], scopes=["ratings:write"], network=True)
    network = {"Authorization": f"Bearer {of_network.secret}"}
    for path, sent in (("/QuestionnaireResponse", response()), ("", bundle(response()))):
        refused = [
            await send(ingest, headers, sent, path)
            for headers in (
                {},
                ingest.key("x", scopes=["results:read"]),
                {**ingest.key("x"), "Rapport-Practice": "y"},
                network,
            )
        ]
        assert [each.status_code for each in refused] == [401, 403, 404, 400]
        assert [issues(each)[0]["code"] for each in refused] == [
            "login", "forbidden", "not-found", "structure",
        ]  # fmt: skip
    assert (await send(ingest, {**network, "Rapport-Practice": "b"}, response())).status_code == 202
    assert len(await ingest.published("b")) == 1


async def test_another_content_type_and_a_longer_body_are_refused(
    kafka_env: dict[str, str], tmp_path: Path, clock: MovedClock
) -> None:
    async with running_ingest(kafka_env, tmp_path, clock=clock, max_bundle_bytes=2000) as ingest:
        headers = ingest.key("fhir-limits")
        xml = await send(ingest, {**headers, "Content-Type": "application/fhir+xml"}, b"<a/>")
        long = await send(ingest, headers, bundle(response(), response(), response()), "")
    assert (xml.status_code, issues(xml)[0]["code"]) == (415, "not-supported")
    assert (long.status_code, issues(long)[0]["code"]) == (413, "too-long")


async def test_a_practice_that_sends_too_fast_is_told_when_to_send_again(
    kafka_env: dict[str, str], tmp_path: Path, clock: MovedClock
) -> None:
    async with running_ingest(kafka_env, tmp_path, clock=clock, ratings_per_second=1) as ingest:
        headers = ingest.key("fhir-fast")
        first, second = [await send(ingest, headers, response()) for _ in range(2)]
    assert (first.status_code, second.status_code) == (202, 429)
    assert second.headers["retry-after"] == "1"
    assert issues(second)[0]["code"] == "throttled"


async def test_of_a_batch_the_valid_entries_are_stored(ingest: Running) -> None:
    headers = ingest.key("fhir-batch")
    sent = bundle(response(), encounter(), response(status="in-progress"), response(authored="2026-11-20"))
    answer = await send(ingest, headers, sent, "")
    assert statuses(answer) == [
        "202 Accepted", "200 OK", "422 Unprocessable Entity", "202 Accepted",
    ]  # fmt: skip
    entries = [entry["response"] for entry in answer.json()["entry"]]
    assert answer.json()["type"] == "batch-response"
    assert entries[0]["location"] == "/v1/ratings/r-1"
    assert entries[2]["outcome"]["issue"][0]["expression"] == ["QuestionnaireResponse.status"]
    data = [record.event["data"] for record in await ingest.published("fhir-batch")]
    assert [each["session_at"] for each in data] == ["2026-11-20T08:00:00Z"] * 2
    assert await ingest.metric("rapport_ingest_accepted_total") == 2


async def test_a_transaction_with_a_refused_entry_stores_nothing(ingest: Running) -> None:
    headers = ingest.key("fhir-transaction")
    sent = bundle(response(), response("subject"), type_="transaction")
    answer = await send(ingest, headers, sent, "")
    assert answer.status_code == 422
    assert [issue["expression"] for issue in issues(answer)] == [["Bundle.entry[1].resource.subject"]]
    assert await ingest.published("fhir-transaction") == []
    good = await send(ingest, headers, bundle(response(), type_="transaction"), "")
    assert (statuses(good), good.json()["type"]) == (["202 Accepted"], "transaction-response")


async def test_a_collection_is_taken_and_history_goes_its_own_way(ingest: Running) -> None:
    headers = ingest.key("fhir-collection")
    answer = await send(ingest, headers, bundle(response(), type_="collection"), "?history=true")
    assert statuses(answer) == ["202 Accepted"]
    assert await ingest.published("fhir-collection") == []


async def test_while_kafka_is_away_nothing_is_accepted(tmp_path: Path, clock: MovedClock) -> None:
    away = {"KAFKA_BOOTSTRAP_SERVERS": "127.0.0.1:1", "KAFKA_EMBEDDED": "true"}
    async with running_ingest(
        away, tmp_path, clock=clock, wait_for_kafka=False, ack_deadline_s=0.2
    ) as ingest:
        headers = ingest.key("fhir-away")
        one = await send(ingest, headers, response())
        batch = await send(ingest, headers, bundle(response()), "")
        transaction = await send(ingest, headers, bundle(response(), type_="transaction"), "")
    assert (one.status_code, issues(one)[0]["code"]) == (503, "transient")
    assert statuses(batch) == ["503 Service Unavailable"]
    assert (transaction.status_code, transaction.headers["retry-after"]) == (503, "2")


async def test_the_capabilities_name_what_is_served(ingest: Running) -> None:
    answer = await ingest.http.get("/v1/fhir/metadata")
    assert answer.headers["content-type"] == "application/fhir+json"
    (rest,) = answer.json()["rest"]
    assert answer.json()["fhirVersion"] == "4.0.1"
    assert [each["type"] for each in rest["resource"]] == ["QuestionnaireResponse"]
    assert [each["code"] for each in rest["interaction"]] == ["transaction", "batch"]


async def test_an_unknown_address_below_fhir_is_an_outcome(ingest: Running) -> None:
    answer = await ingest.http.get("/v1/fhir/Patient/1")
    assert (answer.status_code, issues(answer)[0]["code"]) == (404, "not-found")
