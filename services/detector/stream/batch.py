"""What runs through the stages: one batch, its dyads, and what is known of each so far."""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import date, datetime
from typing import NamedTuple
from uuid import UUID

from schemas.events import Status
from schemas.ids import Dyad, DyadId
from schemas.instruments.catalogue import Catalogue
from schemas.rating_order import Currency, SessionOrder, currency
from services.detector.contracts import BeatEvent, Rated, Responded
from services.detector.domain.assessment import Assessment
from services.detector.domain.episode_changes import Decision, EmittedEpisode, EpisodeChange
from services.detector.domain.episodes import EpisodeStep, SessionRisk
from services.detector.domain.form import Form
from services.detector.domain.thresholds import Threshold
from services.detector.storage.practices import Models, Practice, ThresholdBook
from services.runtime.kafka.record import Record
from services.runtime.outbox.transaction import Transaction


class VersionKey(NamedTuple):
    """One session and instrument of a dyad: whatever is sent for it is a version of one rating."""

    session_id: str
    instrument: str


@dataclass(slots=True)
class Version:
    """One rating as it is (to be) stored."""

    rating: Rated
    place: SessionOrder
    dyad_id: DyadId
    accepted_at: datetime
    log: tuple[str, int, int]
    """Cluster, partition and offset of its first delivery."""
    form: Form | None = None
    """None when withdrawn."""
    current: bool = False
    key: VersionKey = field(init=False)
    """Which rating of its dyad it is a version of."""

    def __post_init__(self) -> None:
        self.key = VersionKey(self.rating.session_id, self.rating.instrument)

    @property
    def currency(self) -> Currency:
        """The key that decides which version of a rating is current."""
        return currency(self.rating.recorded_at, self.accepted_at, self.rating.rating_id)

    @property
    def counts(self) -> bool:
        """It is part of the history: current, and not taken back."""
        return self.current and self.rating.status is not Status.WITHDRAWN


@dataclass(slots=True)
class Arrival:
    """A rating that was read, and where."""

    record: Record
    rating: Rated
    dyad: "DyadWork"


@dataclass(slots=True)
class Session:
    """One current, not withdrawn rating of a dyad on its way through load, assess and decide."""

    version: Version
    form: Form | None
    """None when withdrawn."""
    revision: int = 0
    """Of its assessment so far; 0: none."""
    numbers: bytes = b""
    """What was published of it: `wire.Numbers`."""
    stored: SessionRisk | None = None
    """What was decided from so far; None: to be assessed."""
    found: Assessment | None = None
    """What the model says now; None: what is stored stays."""
    threshold: Threshold | None = None
    scored: SessionRisk | None = None
    seen: EpisodeStep | None = None


@dataclass(slots=True)
class DyadWork:
    """One dyad of the batch."""

    id: DyadId
    who: Dyad
    key: bytes
    partition: int
    practice: Practice = field(init=False)
    history_revision: int = 0
    snapshot: bytes | None = None
    """None: there is none, or it does not fit this model or history."""
    decision: Decision = field(default_factory=Decision)
    decision_before: Decision = field(default_factory=Decision)
    responses: list[Responded] = field(default_factory=list)
    touched: dict[VersionKey, Version] = field(default_factory=dict)
    """Ratings whose current version is another one now, with that version."""
    changed_from: SessionOrder | None = None
    """The first place at which the history differs; None: nowhere."""
    refold: bool = False
    caused_at: datetime | None = None
    """When the newest of what changed it was accepted."""
    sessions: list[Session] = field(default_factory=list)
    """To fold, in order: those after the snapshot, or the whole history when refolding."""
    withdrawn: list[Session] = field(default_factory=list)
    snapshot_after: bytes | None = None
    told: list[EpisodeChange] = field(default_factory=list)
    episode_ids: tuple[UUID, ...] = ()
    """Of the fold's episodes, in order."""
    changed_episodes: tuple[EmittedEpisode, ...] = ()


@dataclass(slots=True)
class Batch:
    """One transaction's work."""

    tx: Transaction
    arrivals: list[Arrival] = field(default_factory=list)
    beats: list[tuple[Record, BeatEvent]] = field(default_factory=list)
    dyads: dict[DyadId, DyadWork] = field(default_factory=dict)
    day: date | None = None
    """The day of a sweep; None for records that were read."""
    counts: Counter[str] = field(default_factory=Counter)
    """What happened, for the metrics: they are raised once the transaction is committed."""


@dataclass(frozen=True, slots=True)
class Heartbeat:
    """A fixed history, and the risk that the shipped model found at its end when it was trained."""

    forms: Sequence[Form]
    expected_risk: float


@dataclass(frozen=True, slots=True)
class Tools:
    """What the stages work with."""

    models: Models
    book: ThresholdBook
    catalogue: Catalogue
    heartbeat: Heartbeat
