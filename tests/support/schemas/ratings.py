"""Bodies of ratings for tests: a good one, and variations of it."""

import json
from datetime import UTC, datetime
from typing import Any

from schemas.ids import PracticeId
from schemas.rating import RatingBody, parse_rating

NOW = datetime(2026, 11, 21, 12, 0, tzinfo=UTC)
PRACTICE = PracticeId("practice-1")
LEFT_OUT = object()

GOOD: dict[str, Any] = {
    "client_id": "client-1",
    "therapist_id": "therapist-1",
    "session_id": "session-1",
    "session_at": "2026-11-20T10:00:00+01:00",
    "instrument": "srs",
    "items": [9.2, 8.8, 9.0, 9.1],
}


def sent(**changes: object) -> bytes:
    """A good rating as it is sent, with changed fields; `LEFT_OUT` takes a field away."""
    fields = {**GOOD, **changes}
    return json.dumps({name: value for name, value in fields.items() if value is not LEFT_OUT}).encode()


def rating(**changes: object) -> RatingBody:
    """A good rating, with changed fields."""
    return parse_rating(sent(**changes), NOW)
