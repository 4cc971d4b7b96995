"""A rating as it is sent: bytes in, a validated body out, or violations; with its hash, id and order."""

from datetime import UTC, datetime, timedelta
from hashlib import sha256
from typing import Annotated, Self

import msgspec
from pydantic import (
    AfterValidator,
    AwareDatetime,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    Strict,
    StringConstraints,
    ValidationError,
    model_validator,
)
from pydantic_core import PydanticCustomError

from schemas.error_messages import rating_message
from schemas.events import Scores, Status
from schemas.ids import (
    PracticeId,
    RatingId,
    default_rating_id,
)
from schemas.validation_errors import InvalidInput, Violation, violations_of

MAX_ID_LENGTH = 128
"""Characters. Longer than any UUID, OID or URN in use; short enough for an index and a log line."""

MAX_ITEMS = 100
EARLIEST = datetime(2000, 1, 1, tzinfo=UTC)
LATEST = datetime(2200, 1, 1, tzinfo=UTC)
"""Bounds that need no clock; the near ones are `check_times`'s."""

AHEAD = timedelta(days=1)
"""How far `session_at` and `recorded_at` may lie after now: clocks that are off, not sessions to come."""
NEXT_AHEAD = timedelta(days=731)
"""How far `next_session_at` may lie after now: two years."""

# One class of characters, spelled so that Rust (pydantic), Python (jsonschema) and ECMAScript read it alike:
# no white space, no control or invisible characters, no @ in any width.
_BARRED = r"\s@\u0000-\u001f\u007f-\u009f\u00ad\u200b-\u200f\u2028-\u202e\u2060-\u2064\ufe6b\ufeff\uff20"
_REFERENCE = rf"^[^{_BARRED}]+$"
_OPTIONAL_REFERENCE = rf"^[^{_BARRED}]*$"
_PATH_REFERENCE = rf"^[^{_BARRED}/\\?#%.][^{_BARRED}/\\?#%]*$"


def _spelled(value: object) -> object:
    # pydantic would read numbers, and texts of digits, as seconds since 1970 in UTC: dates without a zone.
    if isinstance(value, datetime) or (isinstance(value, str) and value[4:5] == "-"):
        return value
    raise PydanticCustomError("date_spelling", "not an ISO 8601 date with time")


def _in_utc(value: datetime) -> datetime:
    return value.astimezone(UTC)


Reference = Annotated[str, StringConstraints(min_length=1, max_length=MAX_ID_LENGTH, pattern=_REFERENCE)]
"""A pseudonymous id, as the sender's system knows it."""
OptionalReference = Annotated[str, StringConstraints(max_length=MAX_ID_LENGTH, pattern=_OPTIONAL_REFERENCE)]
PathReference = Annotated[
    str, StringConstraints(min_length=1, max_length=MAX_ID_LENGTH, pattern=_PATH_REFERENCE)
]
"""An id that stands in an address, so that none of `/ \\ ? # %` is in it, nor a dot in front."""
When = Annotated[
    AwareDatetime, Field(ge=EARLIEST, lt=LATEST), BeforeValidator(_spelled), AfterValidator(_in_utc)
]
"""A moment with its time zone, from 2000 on; kept in UTC."""
SentMark = Annotated[float, Strict(), Field(allow_inf_nan=False)]


class SentScores(Scores):
    """Marks by component: for each the mean of its items after reversal, in the unit of one mark."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    bond: SentMark
    goal: SentMark
    task: SentMark


class RatingBody(BaseModel):
    """One client's rating of one session, as a practice's system sends it.

    Names, addresses and free text have no place here: every id is a pseudonymous reference.
    """

    model_config = ConfigDict(frozen=True, extra="forbid", title="Rating", use_attribute_docstrings=True)

    id: PathReference | None = None
    """Unique in the practice; left out, it follows from the content, so that the same body is one rating."""
    client_id: Reference
    therapist_id: Reference
    case_id: OptionalReference | None = None
    """A course of therapy, where the practice tells them apart: a new case starts a new baseline."""
    session_id: Reference
    session_at: When
    instrument: Annotated[str, StringConstraints(min_length=1, max_length=64)]
    items: Annotated[tuple[SentMark | None, ...], Field(max_length=MAX_ITEMS)] | None = None
    """The marks in the instrument's order, null where an item was not answered."""
    scores: SentScores | None = None
    """Instead of items, where a system keeps only those."""
    status: Status = Status.RATED
    next_session_at: When | None = None
    recorded_at: When | None = None
    """When the practice's system last changed this rating: decides which version is current."""

    @model_validator(mode="after")
    def _marks_fit_status(self) -> Self:
        sent = (self.items is not None) + (self.scores is not None)
        if self.status is Status.RATED:
            if sent != 1:
                raise PydanticCustomError("marks_both" if sent else "marks_missing", "marks")
        elif sent:
            raise PydanticCustomError("marks_unwanted", "marks")
        return self


def parse_rating(sent: bytes | str, now: datetime) -> RatingBody:
    """The rating in one JSON object.

    Raises:
        InvalidInput: with every violation found.
    """
    try:
        body = RatingBody.model_validate_json(sent)
    except ValidationError as error:
        raise InvalidInput(violations_of(error, rating_message)) from None
    violations = check_times(body, now)
    if violations:
        raise InvalidInput(violations)
    return body


def check_times(body: RatingBody, now: datetime) -> tuple[Violation, ...]:
    """What is wrong with the moments of a rating that was sent at `now` (aware)."""
    found = []
    soon = now + AHEAD
    if body.session_at > soon:
        found.append(_too_far("session_at", "at most 1 day from now: a rating follows its session"))
    if body.recorded_at is not None and body.recorded_at > soon:
        found.append(_too_far("recorded_at", "at most 1 day from now"))
    if body.next_session_at is not None and body.next_session_at > now + NEXT_AHEAD:
        found.append(_too_far("next_session_at", "at most 2 years from now"))
    return tuple(found)


def _too_far(field: str, expected: str) -> Violation:
    return Violation(field, "lies in the far future", expected)


_canonical = msgspec.json.Encoder().encode


def content_hash(body: RatingBody) -> str:
    """What was said, as 64 hexadecimal characters: equal for the same rating however it was spelled.

    SHA-256 over JSON of the validated body without `id`: keys in alphabetical order, no blanks, absent
    fields left out, an empty `case_id` is an absent one, numbers as the shortest decimal with a point,
    moments in UTC with `Z`.
    """
    content: dict[str, object] = {}
    if body.case_id:
        content["case_id"] = body.case_id
    content["client_id"] = body.client_id
    content["instrument"] = body.instrument
    if body.items is not None:
        content["items"] = body.items
    if body.next_session_at is not None:
        content["next_session_at"] = body.next_session_at
    if body.recorded_at is not None:
        content["recorded_at"] = body.recorded_at
    if body.scores is not None:
        scores = body.scores
        content["scores"] = {"bond": scores.bond, "goal": scores.goal, "task": scores.task}
    content["session_at"] = body.session_at
    content["session_id"] = body.session_id
    content["status"] = body.status.value
    content["therapist_id"] = body.therapist_id
    return sha256(_canonical(content)).hexdigest()


def rating_id(practice: PracticeId, body: RatingBody, hashed: str | None = None) -> RatingId:
    """The rating's own id, or the one that follows from its content (`hashed`, if at hand)."""
    if body.id is not None:
        return RatingId(body.id)
    return default_rating_id(practice, hashed or content_hash(body))
