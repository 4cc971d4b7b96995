"""Models of the ingest API; `make client` generates this file from its OpenAPI document."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import AwareDatetime, BaseModel, ConfigDict, Field


class Missing(BaseModel):
    """How many items may be unanswered."""

    model_config = ConfigDict(
        frozen=True,
    )
    component: int
    """A component with more unanswered items than this has no score."""
    total: int
    """A form with more unanswered items than this is refused."""


class ShownQuestionnaire(BaseModel):
    """One FHIR questionnaire whose responses are forms of the instrument."""

    model_config = ConfigDict(
        frozen=True,
    )
    urls: list[str]
    """Its canonical URLs."""
    link_ids: list[str]
    """The link id of each item, in order; empty where scores are read."""
    scores: dict[str, str]
    """The link ids of calculated component scores."""
    ignored: list[str]
    """Link ids whose answers are not read."""
    codes: dict[str, float]
    """The marks of coded answers, by `code` or `system|code`."""


class Accepted(BaseModel):
    """A rating that is stored durably."""

    model_config = ConfigDict(
        frozen=True,
    )
    id: str
    """The rating's id: the one sent, or one derived from the content."""
    status: Literal["accepted"]
    status_url: str
    """Where to ask for the rating's status and assessment."""


class ComponentScores(BaseModel):
    """A score for each component of the instrument; null where too many items are unanswered."""

    model_config = ConfigDict(
        frozen=True,
    )
    bond: float | None = None
    goal: float | None = None
    task: float | None = None
    overall: float | None = None


class ErrorInField(BaseModel):
    """One error in a field. Never contains a value that was sent."""

    model_config = ConfigDict(
        frozen=True,
    )
    field: str
    message: str
    expected: str | None = None


class LineResult(BaseModel):
    """The result of one line of a batch."""

    model_config = ConfigDict(
        frozen=True,
    )
    line: int
    """The line's number in the batch, from 1, counting blank lines."""
    status: str
    """Known values: `accepted`, `valid`, `refused`, `retry`, `stopped`."""
    id: str | None = None
    """The rating's id; absent when the line was refused."""
    reason: str | None = None
    """Known values: `credentials`, `not-ready`, `media-type`, `too-large`, `too-slow`, `too-many-lines`, `too-many-streams`, `too-fast`, `overloaded`, `broker-silent`, `not-json`, `invalid`."""
    detail: str | None = None
    errors: list[ErrorInField] | None = None
    retry_after: int | None = None
    """Seconds to wait before sending the line again."""
    scores: ComponentScores | None = None
    in_units: ComponentScores | None = None


class Problem(BaseModel):
    """An error (RFC 9457): what is wrong and what to do."""

    model_config = ConfigDict(
        frozen=True,
    )
    type: str
    """The reason as a URN, or `about:blank`."""
    title: str
    status: int
    detail: str | None = None
    errors: list[ErrorInField] | None = None


class SentScores(BaseModel):
    """Marks by component: the mean of the component's items after reversal, in the unit of one mark."""

    model_config = ConfigDict(
        extra="forbid",
        frozen=True,
    )
    bond: float
    goal: float
    task: float


class Valid(BaseModel):
    """A rating that would be accepted (dry run)."""

    model_config = ConfigDict(
        frozen=True,
    )
    id: str
    status: Literal["valid"]
    scores: ComponentScores | None
    """From 0 to 1, 1 the best; null without marks."""
    in_units: ComponentScores | None
    """The same scores in the instrument's units."""


class ShownInstrument(BaseModel):
    """One instrument: how it is scored, without the wording of its items. Items are numbered from 1."""

    model_config = ConfigDict(
        frozen=True,
    )
    id: str
    kind: str
    """
    What it measures. Only ratings of the kind `alliance` are scored; those of `outcome` and `therapist` (the therapist's own) are stored and drawn beside them.
    Known values: `alliance`, `outcome`, `therapist`.
    """
    title: str
    items: int
    """Number of items, and so of marks in a form."""
    lowest: float
    """The lowest mark."""
    highest: float
    """The highest mark."""
    step: float
    """The distance between two marks."""
    exact: bool
    """True when marks between two steps are refused."""
    reversed_items: list[int]
    """Items on which a high mark counts as a low one; send the mark as given."""
    components: dict[str, list[int]]
    """The items of each component of the alliance; none of the kind `outcome`."""
    missing: Missing
    cutoff: float | None
    """The published total below which, or from which where higher is worse, attention is due."""
    cutoff_source: str
    """Where the cutoff was published, if not in `source`."""
    higher_is_better: bool
    """False where a higher total means more distress."""
    lowest_total: float
    """The lowest possible sum of all marks."""
    highest_total: float
    """The highest possible sum of all marks."""
    risk_items: list[int]
    """Items that ask about danger. Rapport looks at no single answer to them."""
    source: str
    licence: str
    questionnaires: list[ShownQuestionnaire]


class Rating(BaseModel):
    """
    One client's rating of one session, as a practice's system sends it.

    Every id is a pseudonymous reference; do not send names, addresses or free text.
    """

    model_config = ConfigDict(
        extra="forbid",
        frozen=True,
    )
    id: Annotated[
        str | None,
        Field(
            max_length=128,
            min_length=1,
            pattern="^[^\\s@\\u0000-\\u001f\\u007f-\\u009f\\u00ad\\u200b-\\u200f\\u2028-\\u202e\\u2060-\\u2064\\ufe6b\\ufeff\\uff20/\\\\?#%.][^\\s@\\u0000-\\u001f\\u007f-\\u009f\\u00ad\\u200b-\\u200f\\u2028-\\u202e\\u2060-\\u2064\\ufe6b\\ufeff\\uff20/\\\\?#%]*$",
        ),
    ] = None
    """
    Unique in the practice. Left out, it is derived from the content: the same body is the same rating. A
    correction may keep the id when it has a later `recorded_at`, and the same session of the same client.
    """
    client_id: Annotated[
        str,
        Field(
            max_length=128,
            min_length=1,
            pattern="^[^\\s@\\u0000-\\u001f\\u007f-\\u009f\\u00ad\\u200b-\\u200f\\u2028-\\u202e\\u2060-\\u2064\\ufe6b\\ufeff\\uff20]+$",
        ),
    ]
    therapist_id: Annotated[
        str,
        Field(
            max_length=128,
            min_length=1,
            pattern="^[^\\s@\\u0000-\\u001f\\u007f-\\u009f\\u00ad\\u200b-\\u200f\\u2028-\\u202e\\u2060-\\u2064\\ufe6b\\ufeff\\uff20]+$",
        ),
    ]
    case_id: Annotated[
        str | None,
        Field(
            max_length=128,
            pattern="^[^\\s@\\u0000-\\u001f\\u007f-\\u009f\\u00ad\\u200b-\\u200f\\u2028-\\u202e\\u2060-\\u2064\\ufe6b\\ufeff\\uff20]*$",
        ),
    ] = None
    """The course of therapy, where the practice distinguishes them: a new case starts a new baseline."""
    session_id: Annotated[
        str,
        Field(
            max_length=128,
            min_length=1,
            pattern="^[^\\s@\\u0000-\\u001f\\u007f-\\u009f\\u00ad\\u200b-\\u200f\\u2028-\\u202e\\u2060-\\u2064\\ufe6b\\ufeff\\uff20]+$",
        ),
    ]
    session_at: AwareDatetime
    instrument: Annotated[str, Field(max_length=64, min_length=1)]
    items: Annotated[list[float | None] | None, Field(max_length=100)] = None
    """The marks in the order of the instrument's items, null for an unanswered item."""
    scores: SentScores | None = None
    """Instead of items, where a system keeps only component scores."""
    total: float | None = None
    """Instead of items, for an instrument of the kind outcome: the sum of all marks after reversal."""
    status: Literal["rated", "declined", "withdrawn", "cancelled"] = "rated"
    """Whether the client gave a form, declined to, or the rating was taken back."""
    next_session_at: AwareDatetime | None = None
    recorded_at: AwareDatetime | None = None
    """When the practice's system last changed this rating; the version changed last is current."""


class Instruments(BaseModel):
    """All instruments that a rating may name."""

    model_config = ConfigDict(
        frozen=True,
    )
    instruments: list[ShownInstrument]
