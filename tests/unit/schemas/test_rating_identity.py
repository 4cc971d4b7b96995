"""Which ratings are the same, which are versions of one another, and in what order they stand."""

from datetime import UTC, datetime
from hashlib import sha256

import pytest

from schemas.events import SessionRated, Status
from schemas.ids import (
    CaseId,
    ClientId,
    Dyad,
    InstrumentId,
    PracticeId,
    RatingIdentity,
    SessionId,
    TherapistId,
    default_rating_id,
    dyad_id,
    record_key,
)
from schemas.rating import content_hash, rating_id
from schemas.rating_order import currency, dyad, identity, session_order
from tests.support.schemas.ratings import LEFT_OUT, PRACTICE, rating

CANONICAL = (
    b'{"client_id":"client-1","instrument":"srs","items":[9.2,8.8,9.0,9.1],"session_at":"2026-11-20T09:00:00Z",'
    b'"session_id":"session-1","status":"rated","therapist_id":"therapist-1"}'
)
"""What the hash of the good rating is taken over, as a practice's system could spell it too."""


def rated(**changes: object) -> SessionRated:
    """A rating as the detector reads it, with changed fields."""
    fields: dict[str, object] = {
        "rating_id": "r-1",
        "practice_id": PRACTICE,
        "therapist_id": "therapist-1",
        "client_id": "client-1",
        "session_id": "session-1",
        "session_at": "2026-11-20T10:00:00+01:00",
        "instrument": "srs",
        "status": Status.DECLINED,
        "accepted_at": "2026-11-20T11:00:00Z",
        "content_hash": "0" * 64,
    }
    return SessionRated.model_validate({**fields, **changes})


def test_the_content_hash_of_a_known_rating_never_changes() -> None:
    assert sha256(CANONICAL).hexdigest() == content_hash(rating())


def test_the_id_of_a_rating_without_one_never_changes() -> None:
    assert rating_id(PRACTICE, rating()) == "6c9e9d23-1bec-5a1d-8aa7-aba7625ce052"


def test_the_id_of_a_dyad_never_changes() -> None:
    assert str(dyad_id(dyad(PRACTICE, rating()))) == "5fbf98fc-4771-584b-9a2e-d83efd3b5486"


def test_the_key_of_a_record_never_changes() -> None:
    assert record_key(b"secret", dyad(PRACTICE, rating())) == b"d02ac2941668d7a92b88e975b86b2826"


def test_a_rating_keeps_its_own_id() -> None:
    assert rating_id(PRACTICE, rating(id="r-1")) == "r-1"


def test_a_hash_at_hand_gives_the_same_id() -> None:
    body = rating()
    assert rating_id(PRACTICE, body) == rating_id(PRACTICE, body, content_hash(body))


def test_the_same_body_in_two_practices_has_two_ids() -> None:
    hashed = content_hash(rating())
    assert default_rating_id(PRACTICE, hashed) != default_rating_id(PracticeId("practice-2"), hashed)


@pytest.mark.parametrize(
    "changes",
    [
        {"id": "r-1"},
        {"session_at": "2026-11-20T09:00:00Z"},
        {"session_at": "2026-11-20T10:00:00.000+01:00"},
        {"status": "rated"},
        {"case_id": ""},
        {"case_id": None, "recorded_at": None},
        {"items": [9.20, 8.8, 9, 9.1]},
    ],
)
def test_the_hash_does_not_depend_on_id_or_spelling(changes: dict[str, object]) -> None:
    assert content_hash(rating()) == content_hash(rating(**changes))


@pytest.mark.parametrize(
    "changes",
    [
        {"client_id": "client-2"},
        {"therapist_id": "therapist-2"},
        {"case_id": "case-1"},
        {"session_id": "session-2"},
        {"session_at": "2026-11-20T10:00:01+01:00"},
        {"instrument": "wai-s"},
        {"items": [9.2, 8.8, 9.0, 9.2]},
        {"items": [9.2, 8.8, 9.0, None]},
        {"items": LEFT_OUT, "scores": {"bond": 9, "goal": 9, "task": 9}},
        {"items": LEFT_OUT, "status": "declined"},
        {"items": LEFT_OUT, "status": "withdrawn"},
        {"next_session_at": "2026-11-27T10:00:00Z"},
        {"recorded_at": "2026-11-20T12:00:00Z"},
    ],
)
def test_the_hash_depends_on_all_that_was_said(changes: dict[str, object]) -> None:
    assert content_hash(rating()) != content_hash(rating(**changes))


def test_practice_client_session_and_instrument_make_the_identity() -> None:
    expected = RatingIdentity(PRACTICE, ClientId("client-1"), SessionId("session-1"), InstrumentId("srs"))
    assert expected == identity(PRACTICE, rating(therapist_id="therapist-9"))


def test_practice_therapist_client_and_case_make_the_dyad() -> None:
    body = rating(case_id="case-1", session_id="session-9")
    expected = Dyad(PRACTICE, TherapistId("therapist-1"), ClientId("client-1"), CaseId("case-1"))
    assert expected == dyad(PRACTICE, body)


def test_no_case_and_an_empty_case_are_the_same_dyad() -> None:
    assert CaseId("") == dyad(PRACTICE, rating()).case_id == dyad(PRACTICE, rating(case_id="")).case_id


@pytest.mark.parametrize(
    ("older", "newer"),
    [
        ({"accepted_at": "2026-11-20T11:00:00Z"}, {"accepted_at": "2026-11-20T11:00:01Z"}),
        (
            {"accepted_at": "2026-11-21T11:00:00Z", "recorded_at": "2026-11-19T00:00:00Z"},
            {"accepted_at": "2026-11-20T11:00:00Z"},
        ),
        (
            {"accepted_at": "2026-11-21T11:00:00Z", "recorded_at": "2026-11-19T00:00:00Z"},
            {"accepted_at": "2026-11-20T11:00:00Z", "recorded_at": "2026-11-19T00:00:01Z"},
        ),
        (
            {"accepted_at": "2026-11-20T11:00:00Z", "recorded_at": "2026-11-19T00:00:00Z"},
            {"accepted_at": "2026-11-21T11:00:00Z", "recorded_at": "2026-11-19T01:00:00+01:00"},
        ),
        ({"rating_id": "r-1"}, {"rating_id": "r-2"}),
    ],
)
def test_the_later_recorded_then_accepted_then_greater_id_is_current(
    older: dict[str, object], newer: dict[str, object]
) -> None:
    one, other = rated(**older), rated(**newer)
    assert currency(one.recorded_at, one.accepted_at, one.rating_id) < currency(
        other.recorded_at, other.accepted_at, other.rating_id
    )


@pytest.mark.parametrize(
    ("earlier", "later"),
    [
        ({"session_at": "2026-11-20T10:00:00+01:00"}, {"session_at": "2026-11-20T09:30:00Z"}),
        (
            {"session_at": "2026-11-20T10:00:00+01:00", "session_id": "s-1"},
            {"session_at": "2026-11-20T09:00:00Z", "session_id": "s-2"},
        ),
        ({"instrument": "srs"}, {"instrument": "wai-s"}),
    ],
)
def test_sessions_are_ordered_by_time_then_id_then_instrument(
    earlier: dict[str, object], later: dict[str, object]
) -> None:
    assert session_order(rated(**earlier)) < session_order(rated(**later))


def test_moments_are_kept_in_utc() -> None:
    assert datetime(2026, 11, 20, 9, 0, tzinfo=UTC) == rating().session_at
    assert rating().session_at.tzinfo is UTC
