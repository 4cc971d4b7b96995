"""One dyad's part of a batch: what arrived, the sessions to fold, and what was decided of them."""

from dataclasses import dataclass, field
from datetime import datetime
from typing import NamedTuple
from uuid import UUID

from schemas import topics
from schemas.events import FORM_STATUSES, Status
from schemas.ids import Dyad, DyadId
from schemas.rating_order import Currency, SessionOrder, currency
from services.detector.contracts import Changed, Numbers, PublishedEvent
from services.detector.domain.assessment import Assessment
from services.detector.domain.dated_rows import PracticeStatistics, Threshold
from services.detector.domain.episode_changes import Decision, EmittedEpisode, EpisodeChange
from services.detector.domain.episodes import EpisodeStep
from services.detector.domain.form import Form
from services.detector.domain.outcomes import BlockReason
from services.detector.domain.practice import Practice
from services.detector.domain.session_risk import SessionRisk
from services.detector.received import Rated, Responded
from services.runtime.kafka.record import Record
from services.runtime.process.errors import Reject

LANE_OF = {topic.name: number for number, topic in enumerate(topics.LANES)}
"""The number of each topic of ratings, as the tables store it."""


class LogPosition(NamedTuple):
    """Where a rating stands in the logs of ratings."""

    cluster_id: str
    lane: int
    """The number of its topic in `topics.LANES`."""
    partition: int
    offset: int

    @classmethod
    def of(cls, cluster_id: str, record: Record) -> "LogPosition":
        """Return where a rating's record stands."""
        return cls(cluster_id, LANE_OF[record.topic], record.partition, record.offset)


class BlockedRecord(NamedTuple):
    """A record that is in order and cannot take effect yet."""

    cluster_id: str
    record: Record
    data: Rated | Responded
    reason: BlockReason

    @property
    def is_rating(self) -> bool:
        """Whether it is a rating, and not a therapist's answer."""
        return isinstance(self.data, Rated)


class VersionKey(NamedTuple):
    """One session and instrument of a dyad: whatever is sent for it is a version of one rating."""

    session_id: str
    instrument: str


@dataclass(slots=True)
class RatingVersion:
    """One rating as it is (to be) stored."""

    rating: Rated
    order: SessionOrder
    """Where its session stands among those of its dyad."""
    dyad_id: DyadId
    accepted_at: datetime
    log: LogPosition
    """Its first delivery."""
    form: Form | None = None
    """None when it has none, or when it was read from the database and its form is not made yet."""
    current: bool = False
    is_measure: bool = False
    """Whether it is of outcome, or the therapist's own: it is stored, and never part of the history."""
    key: VersionKey = field(init=False)
    """Which rating of its dyad it is a version of."""

    def __post_init__(self) -> None:
        self.key = VersionKey(self.rating.session_id, self.rating.instrument)

    @property
    def currency(self) -> Currency:
        """The greatest of one identity is current."""
        return currency(self.rating.recorded_at, self.accepted_at, self.rating.rating_id)

    @property
    def is_withdrawn(self) -> bool:
        """Whether it takes the rating back."""
        return self.rating.status is Status.WITHDRAWN

    @property
    def has_form(self) -> bool:
        """Whether it is part of the history while it is current: neither taken back nor cancelled."""
        return self.rating.status in FORM_STATUSES and not self.is_measure

    @property
    def counts(self) -> bool:
        """Whether it holds its session for its dyad: current, and not taken back."""
        return self.current and not self.is_withdrawn


@dataclass(slots=True)
class Arrival:
    """A rating that was read from the log."""

    record: Record
    log: LogPosition
    rating: Rated
    dyad: "DyadWork"
    form: Form | Reject | None = None
    """None when withdrawn, cancelled or a measure; a `Reject` when its instrument or marks are of no use."""
    is_measure: bool = False
    """Whether its instrument is not one by which clients rate the alliance."""


@dataclass(slots=True)
class SessionWork:
    """One current rating of a dyad on its way from load to store."""

    version: RatingVersion
    form: Form | None
    """None when withdrawn or cancelled."""
    revision: int = 0
    """Revision of its published assessment; 0 before the first."""
    is_new: bool = False
    """Whether its first assessment is published in this batch."""
    numbers: bytes = b""
    """What was published of it: `contracts.Numbers`, packed."""
    unpacked_numbers: Numbers | None = None
    """The same, where this batch made them."""
    stored: SessionRisk | None = None
    """What its episode was decided from so far; None when it is to be assessed."""
    assessment: Assessment | None = None
    """What the model says now; None when what is stored stays."""
    statistics: PracticeStatistics | None = None
    """Those of its practice that the model read; None when it read none."""
    threshold: Threshold | None = None
    session_risk: SessionRisk | None = None
    """What its episode is decided from now."""
    episode_step: EpisodeStep | None = None
    """What it did to which episode."""


@dataclass(slots=True, eq=False)
class DyadWork:
    """One dyad of a batch; there is one object for each, so it is only equal to itself."""

    id: DyadId
    who: Dyad
    key: bytes
    """Key of its records."""
    partition: int
    practice: Practice = field(init=False)
    history_revision: int = 0
    revision_floor: int = 0
    """New revisions of its assessments and episodes are higher: this one was published already."""
    is_restored: bool = False
    """Whether the log holds events about it that the database lacks, because it was restored."""
    published: list[PublishedEvent] = field(default_factory=list)
    """These events, sorted by revision; filled when the dyad is decided again."""
    snapshot: bytes | None = None
    """State after the newest stored session; None when there is none for this model and history."""
    decision: Decision = field(default_factory=Decision)
    decision_before: Decision = field(default_factory=Decision)
    responses: list[Responded] = field(default_factory=list)
    touched: dict[VersionKey, RatingVersion] = field(default_factory=dict)
    """Ratings whose current version changed, with the version that is current now."""
    changed_from: SessionOrder | None = None
    """The first session at which the history differs; None when nowhere."""
    corrected: bool = False
    """Whether a session that has been published was corrected or taken back."""
    refold: bool = False
    """Whether the whole history is folded instead of the sessions after the snapshot."""
    caused_at: datetime | None = None
    """When the newest rating or response that changed it was accepted."""
    sessions: list[SessionWork] = field(default_factory=list)
    """Sessions to fold, in order: those after the snapshot, or the whole history when refolding."""
    without_form: list[SessionWork] = field(default_factory=list)
    """Sessions that were just withdrawn or cancelled, and measures that just changed."""
    snapshot_after: bytes | None = None
    episode_changes: list[EpisodeChange] = field(default_factory=list)
    """Changes of its episodes to publish."""
    episode_ids: tuple[UUID, ...] = ()
    """Ids of the fold's episodes, in order."""
    changed_episodes: tuple[EmittedEpisode, ...] = ()
    """Episodes of which a list would show something else than before."""
    episode_events: list[Changed] = field(default_factory=list)
    """What was published of its episodes in this batch."""

    def add_session(self, session: SessionWork) -> None:
        """Add a session to those to fold; any other that just changed to `without_form`."""
        if session.version.has_form:
            self.sessions.append(session)
        elif session.version.key in self.touched or self.is_restored:
            self.without_form.append(session)

    def add_touched(self) -> None:
        """Add the sessions of the ratings that changed, their forms made already."""
        for version in self.touched.values():
            self.add_session(SessionWork(version, version.form))

    def sort_sessions(self) -> None:
        """Put the sessions in their order."""
        self.sessions.sort(key=lambda session: session.version.order)
