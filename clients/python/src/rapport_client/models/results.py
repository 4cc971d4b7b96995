"""Models of the detector API; `make client` generates this file from its OpenAPI document."""

from __future__ import annotations

from typing import Annotated
from uuid import UUID

from pydantic import AwareDatetime, BaseModel, ConfigDict, Field


class ClientRename(BaseModel):
    """The reference that a practice has replaced, and the new one."""

    model_config = ConfigDict(
        extra="forbid",
        frozen=True,
    )
    client_id: Annotated[
        str,
        Field(
            max_length=128,
            min_length=1,
            pattern="^[^\\s@\\u0000-\\u001f\\u007f-\\u009f\\u00ad\\u200b-\\u200f\\u2028-\\u202e\\u2060-\\u2064\\ufe6b\\ufeff\\uff20]+$",
        ),
    ]
    """The reference until now."""
    new_client_id: Annotated[
        str,
        Field(
            max_length=128,
            min_length=1,
            pattern="^[^\\s@\\u0000-\\u001f\\u007f-\\u009f\\u00ad\\u200b-\\u200f\\u2028-\\u202e\\u2060-\\u2064\\ufe6b\\ufeff\\uff20]+$",
        ),
    ]
    """The reference from now on."""


class ComponentAssessment(BaseModel):
    """One component at one session, in instrument units; null where this client has no such mark yet."""

    model_config = ConfigDict(
        frozen=True,
    )
    risk: Annotated[float, Field(ge=0.0, le=1.0)]
    """This component's part of the risk; the parts of one assessment add up to at most its risk."""
    score: float | None = None
    usual: float | None = None
    change: float | None = None


class ComponentFact(BaseModel):
    """One component in the last form that has marks."""

    model_config = ConfigDict(
        frozen=True,
    )
    component: str
    """Known values: `bond`, `goal`, `task`, `overall`."""
    standing: str
    """Known values: `fell`, `somewhat-lower`, `low`, `held`, `rose`, `unknown`."""
    mark: float | None = None
    """Null when that form has no mark for it."""
    usual: float | None = None
    """This client's own usual level before the episode, within the marks given; null before there is one."""
    usual_low: float | None = None
    """The lower end of the range in which this client's marks usually lie, within the marks given."""
    usual_high: float | None = None
    lasting: float | None = None
    """Where it settled: about its level in the last forms; only in the facts of `settled`."""
    first: float | None = None
    """
    The mark in this client's first form, where there is no usual level and the last form's mark is lower
    by a tenth of the scale or more; else null.
    """
    back: bool = False
    """It held in the last form, but was outside of its own usual range in a form from `since` on."""


class DeliveryCounts(BaseModel):
    """Accepted deliveries by outcome; their sum is all that was read so far."""

    model_config = ConfigDict(
        frozen=True,
    )
    assessed: int = 0
    stored: int = 0
    superseded: int = 0
    duplicate: int = 0
    blocked: int = 0
    erased: int = 0
    rejected: dict[str, int]


class EmptyForms(BaseModel):
    """Sessions without a form among the last ones."""

    model_config = ConfigDict(
        frozen=True,
    )
    last_at: AwareDatetime
    """The newest session without a form."""
    count: Annotated[int, Field(ge=1)]
    of: Annotated[int, Field(ge=1)]
    """Number of last sessions that were counted, at most 8."""
    lead: bool = False
    """
    What fell in the form before them did so by less than a twentieth of the scale, or lies within the
    client's own usual range, and nothing is clearly lower than in the first form: they are told first.
    """


class EpisodeAnswer(BaseModel):
    """One answer of the therapist."""

    model_config = ConfigDict(
        frozen=True,
    )
    answer_revision: int
    answer: str
    """Known values: `discussed`, `will-discuss`, `not-relevant`, `outside-event`, `undone`."""
    at: AwareDatetime


class EpisodeCounts(BaseModel):
    """All episodes ever opened. The therapist was told of each, or it was kept back for one reason."""

    model_config = ConfigDict(
        frozen=True,
    )
    opened: int
    told: int
    kept_back: dict[str, int]


class EpisodeStanding(BaseModel):
    """What the assessment means for the dyad's episode."""

    model_config = ConfigDict(
        frozen=True,
    )
    flagged: bool
    step: str
    """Known values: ``, `opened`, `deepened`, `open`, `repaired`, `settled`."""
    episode_id: str | None = None


class EpisodeSummary(BaseModel):
    """One episode with its state: open, acknowledged, repaired, settled, unrepaired, ended or withdrawn."""

    model_config = ConfigDict(
        frozen=True,
    )
    episode_id: UUID
    revision: int
    state: str
    therapist_id: str
    client_id: str
    case_id: str
    opened_session: str
    opened_at: AwareDatetime
    closed_at: AwareDatetime | None
    kept_back: str | None


class Facts(BaseModel):
    """What the marks show at one session of an episode."""

    model_config = ConfigDict(
        frozen=True,
    )
    shape: str
    """Known values: `step`, `slide`, `low-from-start`, `unclear`, `no-form`."""
    components: Annotated[list[ComponentFact], Field(validate_default=True)] = []
    """
    Those that this client has ever marked: first those that fell, or are low, the deepest first and
    `overall` after the other ones, then those that did not.
    """
    form_at: AwareDatetime | None = None
    """The last form that has marks; null when there is none."""
    since: AwareDatetime | None = None
    """
    The first form from which all components that fell have been lower; the first form at all for those
    that are low from the start; null when none fell.
    """
    slide: list[float] = []
    """The marks of the deepest component over a slide, oldest first, at least 4; empty for other shapes."""
    began: list[float] = []
    """
    The marks of the deepest component in its first two forms, where it went down over several forms to
    about these, each at most a twentieth of the scale away: then that is no slide; else empty.
    """
    empty: EmptyForms | None = None
    """Null when the newest session has a form."""
    forms: Annotated[int, Field(ge=0)] = 0
    """Number of forms with marks up to this session."""
    decimals: Annotated[int, Field(ge=0)] = 1
    """Decimals with which marks of the instrument are shown."""


class MeasureStored(BaseModel):
    """
    A rating beside the client's rating of the alliance was stored: of outcome, or the therapist's own.

    It was not scored: nothing is decided from it.
    """

    model_config = ConfigDict(
        frozen=True,
    )
    rating_id: str
    practice_id: str
    therapist_id: str
    client_id: str
    case_id: str = ""
    session_id: str
    session_at: AwareDatetime
    instrument: str
    kind: str
    """
    `outcome` or `therapist`.
    Known values: `alliance`, `outcome`, `therapist`.
    """
    status: str
    """Known values: `rated`, `declined`, `withdrawn`, `cancelled`."""
    revision: Annotated[int, Field(ge=1)]
    """Counted for each rating; consumers keep the highest revision, in whatever order events arrive."""
    total: float | None = None
    """The sum of all marks after reversal; null without a form. Single answers are not published."""
    components: dict[str, float] = {}
    """The mean mark of each component, after reversal; only of the kind `therapist`."""


class MessagePrecision(BaseModel):
    """How often messages of the same kind were right: a rupture was under way."""

    model_config = ConfigDict(
        frozen=True,
    )
    right: Annotated[float, Field(ge=0.0, le=1.0)]
    low: Annotated[float, Field(ge=0.0, le=1.0)]
    """The lower end of the 90 % interval of `right`."""
    high: Annotated[float, Field(ge=0.0, le=1.0)]
    messages: Annotated[int, Field(ge=1)]
    """The number of messages that were counted."""
    source: str
    """Known values: `simulated`, `practice`."""


class PracticeBalance(BaseModel):
    """One practice's counts, all taken at one moment."""

    model_config = ConfigDict(
        frozen=True,
    )
    deliveries: DeliveryCounts
    episodes: EpisodeCounts


class RatingDelivery(BaseModel):
    """One accepted delivery of a rating with this id, and its outcome."""

    model_config = ConfigDict(
        frozen=True,
    )
    outcome: str
    """Known values: `assessed`, `stored`, `superseded`, `duplicate`, `rejected`, `blocked`, `erased`."""
    at: AwareDatetime
    reason: str | None = None


class RejectedDelivery(BaseModel):
    """One delivery that ingest accepted and the detector rejected."""

    model_config = ConfigDict(
        frozen=True,
    )
    rating_id: str | None
    reason: str
    detail: str
    rejected_at: AwareDatetime
    replayed_at: AwareDatetime | None


class RejectionPage(BaseModel):
    """A page of rejections, oldest first; `after=next` asks for the next page."""

    model_config = ConfigDict(
        frozen=True,
    )
    rejections: list[RejectedDelivery]
    next: str | None


class RenamedClient(BaseModel):
    """A client who has another reference now."""

    model_config = ConfigDict(
        frozen=True,
    )
    client_id: str
    former_client_id: str
    renamed_at: AwareDatetime


class TrajectoryPoint(BaseModel):
    """One session of the trajectory that is drawn, on the common scale 0 to 1."""

    model_config = ConfigDict(
        frozen=True,
    )
    session_at: AwareDatetime
    bond: float | None = None
    goal: float | None = None
    task: float | None = None
    overall: float | None = None
    usual: float | None = None
    flagged: bool = False


class ErrorInField(BaseModel):
    """One error in a field. Never contains a value that was sent."""

    model_config = ConfigDict(
        frozen=True,
    )
    field: str
    message: str
    expected: str | None = None


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


class AllianceAssessed(BaseModel):
    """The risk that a rupture is under way at one session, given the ratings up to it."""

    model_config = ConfigDict(
        frozen=True,
    )
    rating_id: str
    practice_id: str
    therapist_id: str
    client_id: str
    case_id: str = ""
    session_id: str
    session_at: AwareDatetime
    instrument: str
    status: str
    """Known values: `rated`, `declined`, `withdrawn`, `cancelled`."""
    revision: Annotated[int, Field(ge=1)]
    """Counted for each rating; consumers keep the highest revision, in whatever order events arrive."""
    risk: Annotated[float | None, Field(ge=0.0, le=1.0)] = None
    """Null only when the rating was withdrawn or the appointment was cancelled."""
    components: Annotated[dict[str, ComponentAssessment], Field(validate_default=True)] = {}
    leading_component: str | None = None
    """Known values: `bond`, `goal`, `task`, `overall`."""
    ratings: Annotated[int, Field(ge=0)]
    """Number of rated sessions of this dyad up to this one."""
    early: bool
    """True with fewer than three ratings: the client's usual level is not known yet."""
    threshold: Annotated[float | None, Field(ge=0.0, le=1.0)] = None
    threshold_version: str
    model_version: str
    statistics_version: str | None = None
    """Names the statistics of the practice's ratings that the model read; null when it read none."""


class EpisodeChanged(BaseModel):
    """An episode of deterioration opened, changed or ended; contains all that the notifier needs."""

    model_config = ConfigDict(
        frozen=True,
    )
    episode_id: UUID
    revision: Annotated[int, Field(ge=1)]
    change: str
    """Known values: `opened`, `deepened`, `continued`, `acknowledged`, `repaired`, `settled`, `unrepaired`, `ended`, `withdrawn`."""
    kept_back: str | None = None
    """Why the change is not sent to the therapist; null when it is sent."""
    practice_id: str
    therapist_id: str
    client_id: str
    case_id: str = ""
    session_id: str
    session_at: AwareDatetime
    """The session at which the change was found."""
    opened_at: AwareDatetime
    """The session at which the episode opened."""
    opened_by: str | None = None
    """Which rule opened it; null from a producer that is older than this field."""
    next_session_at: AwareDatetime | None = None
    instrument: str
    risk: Annotated[float | None, Field(ge=0.0, le=1.0)] = None
    components: Annotated[dict[str, ComponentAssessment], Field(validate_default=True)] = {}
    leading_component: str | None = None
    """Known values: `bond`, `goal`, `task`, `overall`."""
    movement: str | None = None
    """Known values: `sudden-fall`, `slow-slide`, `declined-forms`, `everything`, `low-from-start`."""
    ratings: Annotated[int, Field(ge=0)]
    trajectory: Annotated[list[TrajectoryPoint], Field(validate_default=True)] = []
    facts: Facts | None = None
    """What the marks show at `session_at`; null from a producer that is older than they are."""
    precision: MessagePrecision | None = None
    """How often messages like this one were right; null for other changes, and where nobody measured it."""
    model_version: str
    accepted_at: AwareDatetime
    """When the rating that caused the change was accepted."""


class EpisodePage(BaseModel):
    """A page of episodes in the order of their last changes; `after=next` asks for the next page."""

    model_config = ConfigDict(
        frozen=True,
    )
    episodes: list[EpisodeSummary]
    next: str | None


class PublishedChange(BaseModel):
    """One change as it was published."""

    model_config = ConfigDict(
        frozen=True,
    )
    at: AwareDatetime
    data: EpisodeChanged


class RatingStatus(BaseModel):
    """One rating: its state, the assessment if it is current, and every delivery of it."""

    model_config = ConfigDict(
        frozen=True,
    )
    id: str
    status: str
    """Known values: `pending`, `assessed`, `stored`, `superseded`, `duplicate`, `rejected`, `blocked`, `erased`."""
    reason: str | None = None
    read_until: AwareDatetime | None = None
    assessment: AllianceAssessed | None = None
    measure: MeasureStored | None = None
    standing: EpisodeStanding | None = None
    deliveries: list[RatingDelivery]


class EpisodeDetail(BaseModel):
    """One episode with its changes and answers, oldest first, and the trajectory of the last change."""

    model_config = ConfigDict(
        frozen=True,
    )
    episode_id: UUID
    revision: int
    state: str
    therapist_id: str
    client_id: str
    case_id: str
    opened_session: str
    opened_at: AwareDatetime
    closed_at: AwareDatetime | None
    kept_back: str | None
    changes: list[PublishedChange]
    answers: list[EpisodeAnswer]
    trajectory: list[TrajectoryPoint]
