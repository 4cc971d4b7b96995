"""Defines the events: what happened, in the past tense, as frozen values. Newer producers may add fields."""

from enum import StrEnum
from typing import Annotated
from uuid import UUID

from pydantic import AwareDatetime, BaseModel, ConfigDict, Field

from schemas.components import Component
from schemas.facts import Facts
from schemas.instrument_kind import InstrumentKind
from schemas.message_precision import MessagePrecision, Share

Mark = float | None


class Status(StrEnum):
    """Whether the client gave a form, declined to, or the rating was taken back."""

    RATED = "rated"
    DECLINED = "declined"
    """The session took place, and the client gave no form."""
    WITHDRAWN = "withdrawn"
    CANCELLED = "cancelled"
    """The appointment did not take place: it is no session, and nobody declined a form."""


FORM_STATUSES = frozenset({Status.RATED, Status.DECLINED})
"""The statuses of sessions that took place: only these are part of a client's history."""


class Change(StrEnum):
    """What happened to an episode."""

    OPENED = "opened"
    DEEPENED = "deepened"
    CONTINUED = "continued"
    """A later session of an open episode, or a correction of the newest one; never sent, it keeps current
    what the therapist was shown."""
    ACKNOWLEDGED = "acknowledged"
    REPAIRED = "repaired"
    """What fell is near the client's usual level at the opening again."""
    SETTLED = "settled"
    """The risk is low again, but what fell stayed lower than it was."""
    UNREPAIRED = "unrepaired"
    ENDED = "ended"
    WITHDRAWN = "withdrawn"


class OpenedBy(StrEnum):
    """Which rule opened an episode."""

    RISK = "risk"
    """The risk reached the session's threshold."""
    LOW_FROM_START = "low-from-start"
    """A component was at most a quarter of the scale in the first form and in the second."""


class KeptBack(StrEnum):
    """Why a change is kept back: stored, but not sent to the therapist."""

    HISTORIC = "historic"
    """Its session is not after the practice's `tell_from`."""
    TOO_OLD = "too-old"
    """Its session is older than the practice's age limit."""
    NOT_NEWEST = "not-newest"
    """A later session is known at which the change no longer holds."""
    OBSERVING = "observing"
    """The practice observes for now, or the episode opened before it went live."""


class Movement(StrEnum):
    """The kind of movement that opened or deepened an episode."""

    SUDDEN_FALL = "sudden-fall"
    SLOW_SLIDE = "slow-slide"
    DECLINED_FORMS = "declined-forms"
    EVERYTHING = "everything"
    LOW_FROM_START = "low-from-start"


class Answer(StrEnum):
    """A therapist's answer about an episode; `undone` takes the last answer back."""

    DISCUSSED = "discussed"
    WILL_DISCUSS = "will-discuss"
    NOT_RELEVANT = "not-relevant"
    OUTSIDE_EVENT = "outside-event"
    UNDONE = "undone"


class TalkedAbout(StrEnum):
    """What therapist and client talked about, as the therapist says after a later session."""

    GOAL = "goal"
    METHOD = "method"
    PACE = "pace"
    RELATIONSHIP = "relationship"
    OUTSIDE = "outside"
    """Something outside of therapy."""
    NOTHING_CHANGED = "nothing-changed"
    """They talked, and found nothing that had changed."""
    NOT_TALKED_ABOUT = "not-talked-about"


class Event(BaseModel):
    """Base of all events: frozen, and tolerant of fields that a newer producer adds."""

    model_config = ConfigDict(frozen=True, extra="ignore", use_attribute_docstrings=True, allow_inf_nan=False)


class Scores(Event):
    """Marks by component in instrument units, where a system keeps only those."""

    bond: float
    goal: float
    task: float


class SessionRated(Event):
    """A client rated one session, declined to, or had a rating taken back; or it did not take place."""

    rating_id: str
    practice_id: str
    therapist_id: str
    client_id: str
    case_id: str = ""
    session_id: str
    session_at: AwareDatetime
    instrument: str
    status: Status
    items: tuple[Mark, ...] | None = None
    scores: Scores | None = None
    total: Mark = None
    next_session_at: AwareDatetime | None = None
    recorded_at: AwareDatetime | None = None
    accepted_at: AwareDatetime
    content_hash: str


class ComponentAssessment(Event):
    """One component at one session, in instrument units; null where this client has no such mark yet."""

    risk: Share
    """This component's part of the risk; the parts of one assessment add up to at most its risk."""
    score: Mark = None
    usual: Mark = None
    change: Mark = None


class AllianceAssessed(Event):
    """The risk that a rupture is under way at one session, given the ratings up to it."""

    rating_id: str
    practice_id: str
    therapist_id: str
    client_id: str
    case_id: str = ""
    session_id: str
    session_at: AwareDatetime
    instrument: str
    status: Status
    revision: Annotated[int, Field(ge=1)]
    """Counted for each rating; consumers keep the highest revision, in whatever order events arrive."""
    risk: Share | None = None
    """Null only when the rating was withdrawn or the appointment was cancelled."""
    components: dict[Component, ComponentAssessment] = {}
    leading_component: Component | None = None
    ratings: Annotated[int, Field(ge=0)]
    """Number of rated sessions of this dyad up to this one."""
    early: bool
    """True with fewer than three ratings: the client's usual level is not known yet."""
    threshold: Share | None = None
    threshold_version: str
    model_version: str
    statistics_version: str | None = None
    """Names the statistics of the practice's ratings that the model read; null when it read none."""


class MeasureStored(Event):
    """A rating beside the client's rating of the alliance was stored: of outcome, or the therapist's own.

    It was not scored: nothing is decided from it.
    """

    rating_id: str
    practice_id: str
    therapist_id: str
    client_id: str
    case_id: str = ""
    session_id: str
    session_at: AwareDatetime
    instrument: str
    kind: InstrumentKind
    """`outcome` or `therapist`."""
    status: Status
    revision: Annotated[int, Field(ge=1)]
    """Counted for each rating; consumers keep the highest revision, in whatever order events arrive."""
    total: Mark = None
    """The sum of all marks after reversal; null without a form. Single answers are not published."""
    components: dict[Component, float] = {}
    """The mean mark of each component, after reversal; only of the kind `therapist`."""


class TrajectoryPoint(Event):
    """One session of the trajectory that is drawn, on the common scale 0 to 1."""

    session_at: AwareDatetime
    bond: Mark = None
    goal: Mark = None
    task: Mark = None
    overall: Mark = None
    usual: Mark = None
    flagged: bool = False


class EpisodeChanged(Event):
    """An episode of deterioration opened, changed or ended; contains all that the notifier needs."""

    episode_id: UUID
    revision: Annotated[int, Field(ge=1)]
    change: Change
    kept_back: KeptBack | None = None
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
    opened_by: OpenedBy | None = None
    """Which rule opened it; null from a producer that is older than this field."""
    next_session_at: AwareDatetime | None = None
    instrument: str
    risk: Share | None = None
    components: dict[Component, ComponentAssessment] = {}
    leading_component: Component | None = None
    movement: Movement | None = None
    ratings: Annotated[int, Field(ge=0)]
    trajectory: tuple[TrajectoryPoint, ...] = ()
    facts: Facts | None = None
    """What the marks show at `session_at`; null from a producer that is older than they are."""
    precision: MessagePrecision | None = None
    """How often messages like this one were right; null for other changes, and where nobody measured it."""
    model_version: str
    accepted_at: AwareDatetime
    """When the rating that caused the change was accepted."""


class TherapistResponded(Event):
    """A therapist answered a message about an episode."""

    episode_id: UUID
    answer_revision: Annotated[int, Field(ge=1)]
    answer: Answer
    topic: TalkedAbout | None = None
    """What they talked about; null until the therapist says so."""
    practice_id: str
    therapist_id: str
    client_id: str
    case_id: str = ""
    responded_at: AwareDatetime


class Rejected(Event):
    """A record that could not be processed: its position and the reason, never its content."""

    reason: str
    detail: str
    service: str
    cluster_id: str
    topic: str
    partition: Annotated[int, Field(ge=0)]
    offset: Annotated[int, Field(ge=0)]
    rejected_at: AwareDatetime


class ClientRenamed(Event):
    """A practice gave a client another reference: what names the former one is about the same client."""

    practice_id: str
    former_client_id: str
    client_id: str
    """The reference from now on."""
    renamed_at: AwareDatetime


class HeartbeatSent(Event):
    """A heartbeat, one per partition and minute; it passes every stage, so that its absence shows a fault."""

    partition: Annotated[int, Field(ge=0)]
    minute: AwareDatetime
    sent_at: AwareDatetime
    risk: Share | None = None
    """The risk that the detector computed for its fixed history; null before the detector."""
    expected_risk: Share | None = None
