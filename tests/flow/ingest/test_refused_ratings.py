"""What is wrong with a rating is said by field, with what is expected, and never with the value."""

from typing import Any

import pytest

from tests.support.ingest.running import RATING, Running
from tests.support.schemas.instruments import KNOWN

PSEUDONYM = "send a pseudonymous reference, without white space, control characters or @"
MOMENT = "a date with time and time zone, such as 2026-11-20T10:00:00+01:00"


def without(field: str) -> dict[str, Any]:
    """The rating without a field."""
    return {key: value for key, value in RATING.items() if key != field}


REFUSED: list[tuple[str, dict[str, Any], tuple[str, str, str]]] = [
    (
        "an unknown instrument",
        {**RATING, "instrument": "gad-7"},
        ("instrument", "is not an instrument we know", KNOWN),
    ),
    (
        "an item out of range",
        {**RATING, "items": [9, 11, 9, 9]},
        ("items", "item 2 is out of range", "0 to 10"),
    ),
    (
        "a mark between two marks",
        {**RATING, "instrument": "wai-9", "items": [1.5, 2, 3, 4, 5, 1, 2, 3, 4]},
        ("items", "item 1 lies between two marks", "1 to 5, in steps of 1"),
    ),
    (
        "too few items",
        {**RATING, "items": [9, 9, 9]},
        ("items", "has the wrong number of marks", "4 marks, null for an unanswered item"),
    ),
    (
        "too many unanswered items",
        {**RATING, "items": [9, None, None, 9]},
        (
            "items",
            "has too many unanswered items",
            "at least 3 of 4; or status declined when the client gave no form",
        ),
    ),
    (
        "no marks",
        without("items"),
        ("body", "has no marks", "items, scores or total; or status declined when the client gave no form"),
    ),
    (
        "items and scores",
        {**RATING, "scores": {"bond": 9, "goal": 9, "task": 9}},
        ("body", "has marks more than once", "exactly one of items, scores and total"),
    ),
    (
        "marks of a declined form",
        {**RATING, "status": "declined"},
        ("body", "has marks but is not rated", "neither items nor scores nor total, or status rated"),
    ),
    ("no client", without("client_id"), ("client_id", "is missing", "it is required")),
    (
        "an e-mail address",
        {**RATING, "client_id": "anna@example.org"},
        ("client_id", "looks like an e-mail address", PSEUDONYM),
    ),
    (
        "white space",
        {**RATING, "therapist_id": "Dr Who"},
        ("therapist_id", "contains white space", PSEUDONYM),
    ),
    ("a number as an id", {**RATING, "session_id": 7}, ("session_id", "is not a text", "a text")),
    (
        "a date without time zone",
        {**RATING, "session_at": "2026-11-20T10:00:00"},
        ("session_at", "has no time zone", MOMENT),
    ),
    (
        "a date before 2000",
        {**RATING, "session_at": "1999-12-31T10:00:00Z"},
        ("session_at", "is before 2000", "a date from 2000 on"),
    ),
    (
        "a session to come",
        {**RATING, "session_at": "2026-11-25T10:00:00Z"},
        (
            "session_at",
            "is too far in the future",
            "at most 1 day from now: a rating follows its session",
        ),
    ),
    (
        "a next session in the far future",
        {**RATING, "next_session_at": "2031-01-01T10:00:00Z"},
        ("next_session_at", "is too far in the future", "at most 2 years from now"),
    ),
    (
        "an unknown status",
        {**RATING, "status": "lost"},
        ("status", "is not a status", "rated, declined, withdrawn or cancelled"),
    ),
    (
        "a misspelt field",
        {**RATING, "sesion_at": "2026-11-20T10:00:00Z"},
        ("sesion_at", "is not a field we know", "only the fields of the schema; check the spelling"),
    ),
]


@pytest.mark.parametrize(
    ("body", "expected"), [case[1:] for case in REFUSED], ids=[case[0] for case in REFUSED]
)
async def test_the_answer_names_the_field_and_what_is_expected(
    ingest: Running, body: dict[str, Any], expected: tuple[str, str, str]
) -> None:
    response = await ingest.post(ingest.key("refused"), body)
    assert response.status_code == 422
    assert response.headers["content-type"] == "application/problem+json"
    assert response.json() == {
        "type": "urn:rapport:problem:invalid",
        "title": "Not a valid rating",
        "status": 422,
        "detail": "Correct the named fields and send the rating again.",
        "errors": [dict(zip(("field", "message", "expected"), expected, strict=True))],
    }
    assert await ingest.metric('rapport_ingest_refused_total{reason="invalid",whose="caller"}') == 1
    assert await ingest.metric('rapport_http_requests_total{class="4xx",door="api"}') == 1


@pytest.mark.parametrize(
    "body",
    [b"", b"{", b"[]", b"null", b"\xff\xfe", b'{"client_id": "\xc3\x28"}', b"{" * 5_000, b"1e999"],
    ids=["empty", "half", "list", "null", "no UTF-8", "broken UTF-8", "nested deeply", "number"],
)
async def test_what_is_no_json_object_is_400(ingest: Running, body: bytes) -> None:
    response = await ingest.post(ingest.key("no-json"), body)
    assert response.status_code == 400
    assert response.json()["type"] == "urn:rapport:problem:not-json"
    assert response.json()["errors"][0]["expected"] == "one JSON object"


async def test_many_wrong_fields_are_named_up_to_a_bound(ingest: Running) -> None:
    body = {**RATING, **{f"field_{number}": number for number in range(100)}}
    response = await ingest.post(ingest.key("many"), body)
    assert len(response.json()["errors"]) == 20


@pytest.mark.parametrize(
    "kind",
    [
        "text/plain",
        "application/x-www-form-urlencoded",
        "application/json; charset=latin-1",
        "application/x-ndjson",
    ],
)
async def test_another_content_type_is_415(ingest: Running, kind: str) -> None:
    response = await ingest.post({**ingest.key("kind"), "Content-Type": kind})
    assert response.status_code == 415
    assert response.json()["detail"] == "Send `Content-Type: application/json`, in UTF-8."


async def test_a_compressed_body_is_415(ingest: Running) -> None:
    response = await ingest.post({**ingest.key("zip"), "Content-Encoding": "gzip"})
    assert (response.status_code, response.json()["title"]) == (415, "Content type not supported")


async def test_a_body_over_the_limit_is_413(ingest: Running) -> None:
    response = await ingest.post(ingest.key("large"), b" " * 20_000)
    assert response.status_code == 413
    assert response.json()["detail"] == "The body may have at most 16384 bytes."


async def test_another_path_or_method_is_a_problem_too(ingest: Running) -> None:
    missing = await ingest.http.get("/v1/nothing")
    wrong = await ingest.http.get("/v1/ratings")
    assert (missing.status_code, wrong.status_code) == (404, 405)
    assert missing.headers["content-type"] == wrong.headers["content-type"] == "application/problem+json"


async def test_a_dry_run_flag_that_is_no_flag_is_422(ingest: Running) -> None:
    response = await ingest.post(ingest.key("flag"), query="?dry_run=perhaps")
    assert response.status_code == 422
    assert "perhaps" not in response.text
