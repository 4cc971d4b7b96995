"""The record that docs/kafka-producers.md describes is the one that ingest writes."""

import json
from datetime import UTC, datetime
from typing import Any

import pytest
import session_rated
from jsonschema import Draft202012Validator

from schemas import topics
from schemas.envelope import HEADERS, SessionRatedEvent
from schemas.export import PUBLISHED
from schemas.ids import PracticeId, record_key
from schemas.rating import parse_rating
from schemas.rating_order import dyad
from schemas.session_rated import session_rated_value
from tests.support.schemas.ratings import GOOD

NOW = datetime(2026, 11, 21, 12, 0, 0, 5000, tzinfo=UTC)
SECRET = b"a secret of at least thirty-two bytes"
RATINGS: list[dict[str, Any]] = [
    GOOD,
    {**GOOD, "items": [9, None, 8.5, 10]},
    {**GOOD, "case_id": "", "client_id": "klientïn-1"},
    {**GOOD, "case_id": "2026-2", "recorded_at": "2026-11-20T10:52:00.25+01:00"},
    {**GOOD, "items": None, "scores": {"task": 9, "bond": 9.25, "goal": 8}, "next_session_at": None},
    {**GOOD, "items": None, "status": "declined", "next_session_at": "2026-11-27T10:00:00+01:00"},
    {**GOOD, "items": None, "status": "withdrawn"},
]


@pytest.mark.parametrize("rating", RATINGS)
def test_a_record_is_that_of_ingest_except_for_who_writes_it(rating: dict[str, Any]) -> None:
    sent = {**rating, "id": "r-1"}
    body = parse_rating(json.dumps(sent), NOW)
    practice = PracticeId("north")
    expected_key = record_key(SECRET, dyad(practice, body))
    expected = json.loads(session_rated_value(practice, body, accepted_at=NOW, key=expected_key))
    key, value = session_rated.record(sent, practice, SECRET, NOW)
    event = json.loads(value)
    of_the_writer = {"id", "source"}
    assert key == expected_key
    assert {name: event[name] for name in event.keys() - of_the_writer} == {
        name: expected[name] for name in expected.keys() - of_the_writer
    }
    schema = json.loads((PUBLISHED / "events" / "alliance.session-rated.v1.json").read_text())
    Draft202012Validator(schema).validate(event)
    assert SessionRatedEvent.model_validate_json(value).data.rating_id == "r-1"


def test_topics_and_headers_are_those_of_the_contract() -> None:
    assert tuple(one.name for one in topics.LANES) == (session_rated.TOPIC, session_rated.HISTORY_TOPIC)
    assert list(HEADERS) == session_rated.HEADERS
