"""The quick spelling of a rating's event equals the model's own, whatever the rating."""

from datetime import UTC, datetime, timedelta, timezone

from hypothesis import given
from hypothesis import strategies as st

from schemas.envelope import decode, encode
from schemas.events import Status
from schemas.ids import PracticeId, _named, default_rating_id, record_key
from schemas.rating import RatingBody, content_hash
from schemas.rating_order import dyad
from schemas.session_rated import session_rated, session_rated_value
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


@given(bodies(), moments)
def test_the_quick_spelling_equals_the_models_own(body: RatingBody, accepted_at: datetime) -> None:
    slow = encode(session_rated(PRACTICE, body, accepted_at=accepted_at, key=KEY))
    assert slow == session_rated_value(PRACTICE, body, accepted_at=accepted_at, key=KEY)


@given(bodies())
def test_what_was_accepted_is_read_back(body: RatingBody) -> None:
    event = session_rated(PRACTICE, body, accepted_at=ACCEPTED_AT, key=KEY)
    assert event == decode(encode(event))


def test_accepting_later_changes_no_id() -> None:
    later = ACCEPTED_AT + timedelta(days=1)
    first = session_rated(PRACTICE, rating(), accepted_at=ACCEPTED_AT, key=KEY)
    again = session_rated(PRACTICE, rating(), accepted_at=later, key=KEY)
    assert (first.id, first.data.rating_id) == (again.id, again.data.rating_id)
    assert first.data.content_hash == again.data.content_hash == content_hash(rating())


@given(references, references)
def test_ids_spelled_quickly_are_name_based_uuids(practice: str, hashed: str) -> None:
    assert str(_named("rating", (practice, hashed))) == default_rating_id(PracticeId(practice), hashed)
