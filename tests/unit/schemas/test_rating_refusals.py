"""What is refused, in which words, and that no value is ever repeated."""

from datetime import datetime

import pytest

from schemas.rating import parse_rating
from schemas.validation_errors import InvalidInput
from tests.support.schemas.ratings import LEFT_OUT, NOW, rating, sent

PSEUDONYM = "send a pseudonymous reference, without white space, control characters or @"
MOMENT = "a date with time and time zone, such as 2026-11-20T10:00:00+01:00"
NUMBER = "a number, or null for an unanswered item"
SECRET = "Jo.Doe"


def refusal(body: bytes | str) -> list[tuple[str, str, str]]:
    """The violations about a body: field, message, expected."""
    with pytest.raises(InvalidInput) as caught:
        parse_rating(body, NOW)
    assert SECRET not in str(caught.value)
    assert SECRET not in repr(caught.value.violations)
    return [(each.field, each.message, each.expected) for each in caught.value.violations]


@pytest.mark.parametrize("field", ["id", "client_id", "therapist_id", "case_id", "session_id"])
@pytest.mark.parametrize(
    ("value", "message", "expected"),
    [
        (f"{SECRET}@example.org", "looks like an e-mail address", PSEUDONYM),
        (f"{SECRET}\uff20example", "looks like an e-mail address", PSEUDONYM),
        (f"{SECRET} 2", "contains white space", PSEUDONYM),
        (f"{SECRET}\u00a0", "contains white space", PSEUDONYM),
        (f"{SECRET}\n", "contains white space", PSEUDONYM),
        (f"{SECRET}\x00", "contains control characters", PSEUDONYM),
        (f"{SECRET}\u200b", "contains control characters", PSEUDONYM),
        (f"{SECRET}\u2066", "contains control characters", PSEUDONYM),
        (f"{SECRET}\u061c", "contains control characters", PSEUDONYM),
        (SECRET + "x" * 123, "is too long", "at most 128 characters"),
        (17, "is not a text", "a text"),
    ],
)
def test_a_reference_that_may_name_a_person_is_refused(
    field: str, value: object, message: str, expected: str
) -> None:
    assert [(field, message, expected)] == refusal(sent(**{field: value}))


def test_a_reference_of_the_greatest_length_is_taken() -> None:
    assert rating(client_id="x" * 128).client_id == "x" * 128


@pytest.mark.parametrize("value", ["a/b", "a?b", "a#b", "a%20", "..", "a\\b"])
def test_an_id_that_would_change_its_own_address_is_refused(value: str) -> None:
    expected = ("id", "cannot be part of a URL", "an id without / \\ ? # %, not starting with a dot")
    assert [expected] == refusal(sent(id=value))


@pytest.mark.parametrize("field", ["id", "client_id", "therapist_id", "session_id"])
def test_an_empty_reference_is_refused(field: str) -> None:
    assert [(field, "is empty", PSEUDONYM)] == refusal(sent(**{field: ""}))


@pytest.mark.parametrize("field", ["session_at", "next_session_at", "recorded_at"])
@pytest.mark.parametrize(
    ("value", "message", "expected"),
    [
        ("2026-11-20T10:00:00", "has no time zone", MOMENT),
        ("2026-11-20", "has no time zone", MOMENT),
        (f"{SECRET}", "is not a date with time", MOMENT),
        ("1700000000", "is not a date with time", MOMENT),
        (1700000000, "is not a date with time", MOMENT),
        ("2026-02-30T10:00:00Z", "is not a date with time", MOMENT),
        ("1999-12-31T23:59:59Z", "is before 2000", "a date from 2000 on"),
        ("9999-12-31T23:59:59-14:00", "is too far in the future", "a date near now"),
    ],
)
def test_a_moment_that_is_none_is_refused(field: str, value: object, message: str, expected: str) -> None:
    assert [(field, message, expected)] == refusal(sent(**{field: value}))


@pytest.mark.parametrize(
    ("field", "last", "too_far", "expected"),
    [
        (
            "session_at",
            "2026-11-22T12:00:00Z",
            "2026-11-22T12:00:01Z",
            "at most 1 day from now: a rating follows its session",
        ),
        ("recorded_at", "2026-11-22T12:00:00Z", "2026-11-22T12:00:01Z", "at most 1 day from now"),
        ("next_session_at", "2028-11-21T12:00:00Z", "2028-11-21T12:00:01Z", "at most 2 years from now"),
    ],
)
def test_a_moment_beyond_its_bound_is_too_far_in_the_future(
    field: str, last: str, too_far: str, expected: str
) -> None:
    assert getattr(rating(**{field: last}), field) == datetime.fromisoformat(last)
    assert [(field, "is too far in the future", expected)] == refusal(sent(**{field: too_far}))


@pytest.mark.parametrize("field", ["client_id", "therapist_id", "session_id", "session_at", "instrument"])
def test_a_required_field_that_is_missing_is_named(field: str) -> None:
    assert [(field, "is missing", "it is required")] == refusal(sent(**{field: LEFT_OUT}))


SCORES = {"bond": 9, "goal": 8, "task": 9}


@pytest.mark.parametrize(
    ("changes", "message", "expected"),
    [
        (
            {"items": LEFT_OUT},
            "has no marks",
            "items, scores or total; or status declined when the client gave no form",
        ),
        ({"scores": SCORES}, "has marks more than once", "exactly one of items, scores and total"),
        (
            {"status": "declined"},
            "has marks but is not rated",
            "neither items nor scores nor total, or status rated",
        ),
        (
            {"status": "withdrawn", "items": LEFT_OUT, "scores": SCORES},
            "has marks but is not rated",
            "neither items nor scores nor total, or status rated",
        ),
    ],
)
def test_marks_that_do_not_fit_the_status_are_refused(
    changes: dict[str, object], message: str, expected: str
) -> None:
    assert [("body", message, expected)] == refusal(sent(**changes))


@pytest.mark.parametrize("status", ["declined", "withdrawn", "cancelled"])
def test_without_a_form_no_marks_are_needed(status: str) -> None:
    assert rating(status=status, items=LEFT_OUT).items is None


@pytest.mark.parametrize(
    ("changes", "violation"),
    [
        ({"status": SECRET}, ("status", "is not a status", "rated, declined, withdrawn or cancelled")),
        (
            {"instrument": ""},
            (
                "instrument",
                "is not an instrument's id",
                "1 to 64 characters; GET /v1/instruments lists the ids",
            ),
        ),
        ({"instrument": 3}, ("instrument", "is not a text", "a text")),
        ({"items": [9, SECRET, 9]}, ("items", "item 2 is not a number", NUMBER)),
        ({"items": [9, 9, True]}, ("items", "item 3 is not a number", NUMBER)),
        ({"items": [float("nan")]}, ("items", "item 1 is not a finite number", NUMBER)),
        ({"items": [1] * 101}, ("items", "has too many entries", "at most 100")),
        (
            {"items": SECRET},
            ("items", "is not a list", "a list of marks, null for an unanswered item"),
        ),
        (
            {"items": LEFT_OUT, "scores": {"bond": 1, "goal": 1}},
            ("scores.task", "is missing", "it is required"),
        ),
        (
            {"items": LEFT_OUT, "scores": {**SCORES, "overall": 1}},
            ("scores.overall", "is not a field we know", "only the fields of the schema; check the spelling"),
        ),
        (
            {"sesion_id": SECRET},
            ("sesion_id", "is not a field we know", "only the fields of the schema; check the spelling"),
        ),
        (
            {f"{SECRET} 1": 1},
            (
                "(unreadable name)",
                "is not a field we know",
                "only the fields of the schema; check the spelling",
            ),
        ),
    ],
)
def test_every_other_mistake_is_named(changes: dict[str, object], violation: tuple[str, str, str]) -> None:
    assert [violation] == refusal(sent(**changes))


@pytest.mark.parametrize(
    ("body", "message"),
    [
        (f'{{"client_id": "{SECRET}', "is not JSON (line 1 column 21)"),
        (b"\xff", "is not JSON (line 1 column 1)"),
        (f'["{SECRET}"]', "is not an object"),
        ("3", "is not an object"),
    ],
)
def test_what_is_no_object_is_refused(body: bytes | str, message: str) -> None:
    assert [("body", message, "one JSON object")] == refusal(body)


def test_all_mistakes_are_told_at_once() -> None:
    assert {"client_id", "session_at"} == {
        field for field, _, _ in refusal(sent(client_id="a b", session_at="x"))
    }
