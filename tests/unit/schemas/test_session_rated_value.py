"""The record value of a rating is what the event's model says, whatever the rating."""

from datetime import UTC, datetime, timedelta, timezone

from hypothesis import given
from hypothesis import strategies as st

from schemas.envelope import SessionRatedEvent, decode, encode
from schemas.events import Status
from schemas.ids import PracticeId, _named, default_rating_id, record_key
from schemas.rating import RatingBody, content_hash, rating_id
from schemas.rating_order import dyad
from schemas.session_rated import session_rated_value
from tests.support.schemas.ratings import PRACTICE, rating

KEY = record_key(b"secret", dyad(PRACTICE, rating()))
ACCEPTED_AT = datetime(2026, 11, 20, 11, 0, 0, 120000, tzinfo=UTC)

references = st.text(
    st.characters(exclude_categories=["C", "Z"], exclude_characters="@\ufe6b\uff20/\\?#%."),
    min_size=1,
    max_size=20,
)
START = datetime(2000, 1, 1, tzinfo=UTC)
moments = st.builds(
    lambda after, offset: (START + after).astimezone(timezone(timedelta(minutes=offset))),
    st.timedeltas(timedelta(0), timedelta(days=60_000)),
    st.integers(-14 * 60, 14 * 60),
)
marks = st.floats(-1000, 1000, allow_nan=False)


@st.composite
def bodies(draw: st.DrawFn) -> RatingBody:
    """Any rating that is taken, as far as its form goes."""
    status = draw(st.sampled_from(Status))
    fields: dict[str, object] = {
        name: draw(references) for name in ("client_id", "therapist_id", "session_id")
    }
    fields["instrument"] = draw(st.text(st.characters(exclude_categories=["Cs"]), min_size=1, max_size=64))
    fields["session_at"] = draw(moments)
    fields["status"] = status
    for name, values in (
        ("id", references),
        ("case_id", references),
        ("next_session_at", moments),
        ("recorded_at", moments),
    ):
        fields[name] = draw(st.none() | values)
    if status is Status.RATED:
        if draw(st.booleans()):
            fields["items"] = tuple(draw(st.lists(st.none() | marks, max_size=12)))
        else:
            fields["scores"] = {name: draw(marks) for name in ("bond", "goal", "task")}
    return RatingBody.model_validate(fields)


def event_of(body: RatingBody, accepted_at: datetime = ACCEPTED_AT) -> SessionRatedEvent:
    """What the event's model reads from the record value of a rating."""
    event = decode(session_rated_value(PRACTICE, body, accepted_at=accepted_at, key=KEY))
    assert isinstance(event, SessionRatedEvent)
    return event


@given(bodies(), moments)
def test_the_value_is_byte_for_byte_what_the_model_writes(body: RatingBody, accepted_at: datetime) -> None:
    event = event_of(body, accepted_at)
    assert encode(event) == session_rated_value(PRACTICE, body, accepted_at=accepted_at, key=KEY)


@given(bodies(), moments)
def test_the_event_holds_all_that_was_sent(body: RatingBody, accepted_at: datetime) -> None:
    event = event_of(body, accepted_at)
    data = event.data.model_dump()
    expected = body.model_dump(exclude={"id", "case_id"})
    assert expected == {name: data[name] for name in expected}
    assert data["case_id"] == (body.case_id or "")
    assert data["practice_id"] == PRACTICE
    assert data["rating_id"] == rating_id(PRACTICE, body)
    assert data["content_hash"] == content_hash(body)
    assert accepted_at == event.time == data["accepted_at"]
    assert event.subject == KEY.decode()


def test_accepting_later_changes_no_id() -> None:
    first = event_of(rating())
    again = event_of(rating(), ACCEPTED_AT + timedelta(days=1))
    assert (first.id, first.data.rating_id) == (again.id, again.data.rating_id)
    assert first.data.content_hash == again.data.content_hash == content_hash(rating())


def test_another_content_under_the_same_id_is_another_event() -> None:
    assert event_of(rating(id="r-1")).id != event_of(rating(id="r-1", client_id="client-2")).id


@given(references, references)
def test_ids_spelled_quickly_are_name_based_uuids(practice: str, hashed: str) -> None:
    assert str(_named("rating", (practice, hashed))) == default_rating_id(PracticeId(practice), hashed)
