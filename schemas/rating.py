"""Validates a rating as it is sent, and derives its content hash and id."""

import re
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
"""In characters: longer than any UUID, OID or URN in use, and short enough for an index and a log line."""

MAX_ITEMS = 100
EARLIEST = datetime(2000, 1, 1, tzinfo=UTC)
LATEST = datetime(2200, 1, 1, tzinfo=UTC)
"""Bounds that need no clock; `check_times` applies the closer ones."""

AHEAD = timedelta(days=1)
"""How far after now `session_at` and `recorded_at` may be: this allows for wrong clocks."""
NEXT_AHEAD = timedelta(days=731)
"""How far after now `next_session_at` may be: two years."""

# No white space, no control or invisible characters, no @ in any width. Written so that the regular
# expressions of Rust (pydantic), Python (jsonschema) and ECMAScript agree on it.
_FORBIDDEN = r"\s@\u0000-\u001f\u007f-\u009f\u00ad\u200b-\u200f\u2028-\u202e\u2060-\u2064\ufe6b\ufeff\uff20"
_REFERENCE = rf"^[^{_FORBIDDEN}]+$"
_DIRECTION_MARKS = re.compile("[\u061c\u2066-\u206f]")
_OPTIONAL_REFERENCE = rf"^[^{_FORBIDDEN}]*$"
_PATH_REFERENCE = rf"^[^{_FORBIDDEN}/\\?#%.][^{_FORBIDDEN}/\\?#%]*$"


def _require_iso_text(value: object) -> object:
    # Pydantic would read numbers and strings of digits as seconds since 1970, in UTC: times without a zone.
    if isinstance(value, datetime) or (isinstance(value, str) and value[4:5] == "-"):
        return value
    raise PydanticCustomError("date_spelling", "not an ISO 8601 date with time")


def _in_utc(value: datetime) -> datetime:
    return value.astimezone(UTC)


def _refuse_direction_marks(value: str) -> str:
    # Marks that turn the direction of writing, newer than those above. The patterns are published and stay.
    if not value.isascii() and _DIRECTION_MARKS.search(value):
        raise PydanticCustomError("string_pattern_mismatch", "contains a mark of direction")
    return value


Reference = Annotated[
    str,
    StringConstraints(min_length=1, max_length=MAX_ID_LENGTH, pattern=_REFERENCE),
    AfterValidator(_refuse_direction_marks),
]
"""A pseudonymous id from the sender's system."""
OptionalReference = Annotated[
    str,
    StringConstraints(max_length=MAX_ID_LENGTH, pattern=_OPTIONAL_REFERENCE),
    AfterValidator(_refuse_direction_marks),
]
PathReference = Annotated[
    str,
    StringConstraints(min_length=1, max_length=MAX_ID_LENGTH, pattern=_PATH_REFERENCE),
    AfterValidator(_refuse_direction_marks),
]
"""An id that is part of a URL, so it has none of `/ \\ ? # %` and no leading dot."""
When = Annotated[
    AwareDatetime, Field(ge=EARLIEST, lt=LATEST), BeforeValidator(_require_iso_text), AfterValidator(_in_utc)
]
"""A time with time zone, from the year 2000 on; converted to UTC."""
SentMark = Annotated[float, Strict(), Field(allow_inf_nan=False)]


class SentScores(Scores):
    """Marks by component: the mean of the component's items after reversal, in the unit of one mark."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    bond: SentMark
    goal: SentMark
    task: SentMark


class RatingBody(BaseModel):
    """One client's rating of one session, as a practice's system sends it.

    Every id is a pseudonymous reference; do not send names, addresses or free text.
    """

    model_config = ConfigDict(frozen=True, extra="forbid", title="Rating", use_attribute_docstrings=True)

    id: PathReference | None = None
    """Unique in the practice. Left out, it is derived from the content: the same body is the same rating. A
    correction may keep the id when it has a later `recorded_at`, and the same session of the same client."""
    client_id: Reference
    therapist_id: Reference
    case_id: OptionalReference | None = None
    """The course of therapy, where the practice distinguishes them: a new case starts a new baseline."""
    session_id: Reference
    session_at: When
    instrument: Annotated[str, StringConstraints(min_length=1, max_length=64)]
    items: Annotated[tuple[SentMark | None, ...], Field(max_length=MAX_ITEMS)] | None = None
    """The marks in the order of the instrument's items, null for an unanswered item."""
    scores: SentScores | None = None
    """Instead of items, where a system keeps only component scores."""
    total: SentMark | None = None
    """Instead of items, for an instrument of the kind outcome: the sum of all marks after reversal."""
    status: Status = Status.RATED
    next_session_at: When | None = None
    recorded_at: When | None = None
    """When the practice's system last changed this rating; the version changed last is current."""

    @model_validator(mode="after")
    def _marks_fit_status(self) -> Self:
        sent = (self.items is not None) + (self.scores is not None) + (self.total is not None)
        if self.status is Status.RATED:
            if sent != 1:
                raise PydanticCustomError("marks_both" if sent else "marks_missing", "marks")
        elif sent:
            raise PydanticCustomError("marks_unwanted", "marks")
        return self

    @property
    def marks(self) -> tuple[SentMark | None, ...] | SentScores | float | None:
        """The marks as they were sent; None without a form."""
        if self.items is not None:
            return self.items
        return self.scores if self.scores is not None else self.total


def parse_rating(sent: bytes | str, now: datetime) -> RatingBody:
    """Validate a rating that was sent as one JSON object at `now` (aware).

    Raises:
        InvalidInput: with every violation.
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
    """Return the violations in the times of a rating that was sent at `now` (aware)."""
    violations = []
    soon = now + AHEAD
    if body.session_at > soon:
        violations.append(_too_far("session_at", "at most 1 day from now: a rating follows its session"))
    if body.recorded_at is not None and body.recorded_at > soon:
        violations.append(_too_far("recorded_at", "at most 1 day from now"))
    if body.next_session_at is not None and body.next_session_at > now + NEXT_AHEAD:
        violations.append(_too_far("next_session_at", "at most 2 years from now"))
    return tuple(violations)


def _too_far(field: str, expected: str) -> Violation:
    return Violation(field, "is too far in the future", expected)


_canonical = msgspec.json.Encoder().encode


def content_hash(body: RatingBody) -> str:
    """Return the hash of a rating's content, 64 hexadecimal characters.

    It is equal for two bodies with the same content however they are written: SHA-256 over JSON of the
    validated body without `id`, keys in alphabetical order, without white space and absent fields; an empty
    `case_id` counts as absent, numbers are the shortest decimals with a point, times are in UTC with `Z`.
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
    if body.total is not None:
        content["total"] = body.total
    return sha256(_canonical(content)).hexdigest()


def rating_id(practice: PracticeId, body: RatingBody, hashed: str | None = None) -> RatingId:
    """Return the rating's own id, or the one derived from its content hash (`hashed`, where it is known)."""
    if body.id is not None:
        return RatingId(body.id)
    return default_rating_id(practice, hashed or content_hash(body))
