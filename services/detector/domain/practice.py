"""Practices as one transaction sees them: what they are told about, their model, their dated rows."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Generic, TypeVar

from schemas.events import KeptBack
from schemas.rating_order import SessionOrder
from services.detector.domain.dated_rows import PracticeStatistics, Threshold
from services.detector.domain.detector import Detector
from services.detector.domain.message_precision import AnswersByKind

Rows = TypeVar("Rows")


@dataclass(frozen=True, slots=True)
class AlertWindow:
    """The sessions that a practice's therapists are notified about, at a given time."""

    tell_from: datetime | None
    """Only sessions after this; None: all sessions."""
    max_age: timedelta | None
    """Only sessions at most this old; None: whatever their age."""
    now: datetime
    observing: bool = False
    """Nothing is told for now."""
    live_from: datetime | None = None
    """Only episodes that open at a session after this; None: the practice has never observed."""

    def outside(self, newest: SessionOrder | None) -> KeptBack | None:
        """Return why nothing is told about a client whose newest session this is; None: it is told."""
        if self.observing:
            return KeptBack.OBSERVING
        if newest is None:
            return KeptBack.NOT_NEWEST
        if self.tell_from is not None and newest.session_at <= self.tell_from:
            return KeptBack.HISTORIC
        if self.max_age is not None and self.now - newest.session_at > self.max_age:
            return KeptBack.TOO_OLD
        return None


@dataclass(frozen=True, slots=True)
class Practice:
    """One practice as this transaction sees it."""

    id: str
    tell_from: datetime | None
    max_age: timedelta | None
    model: Detector
    thresholds: tuple[Threshold, ...]
    """Its own for this model, in the order in which they become valid."""
    default: Threshold
    statistics: tuple[PracticeStatistics, ...] = ()
    """Those of its ratings, in the order in which they become valid; empty where its model reads none."""
    answers: AnswersByKind = field(default_factory=dict)
    """Its therapists' answers to messages, as they were counted today."""
    observing: bool = False
    """Nothing is told to its therapists for now."""
    live_from: datetime | None = None
    """When it went live after it had observed."""

    def alert_window(self, now: datetime) -> AlertWindow:
        """What is told to its therapists, now."""
        return AlertWindow(self.tell_from, self.max_age, now, self.observing, self.live_from)


class Models:
    """The loaded models by version; one of them scores every practice that asks for none."""

    def __init__(self, default: Detector, *others: Detector) -> None:
        self.default = default
        self._by_version = {model.version: model for model in (*others, default)}

    @property
    def versions(self) -> list[str]:
        """The versions that are loaded."""
        return list(self._by_version)

    def find(self, version: str | None) -> Detector | None:
        """Return the model of that version; None when this process has not loaded it."""
        return self.default if version is None else self._by_version.get(version)


@dataclass(slots=True)
class KnownRows(Generic[Rows]):
    """What was read of practices' rows. Rows are only added, so their number tells whether there are more."""

    _by_practice: dict[str, tuple[int, Rows]] = field(default_factory=dict)

    def outdated(self, numbers: Mapping[str, int]) -> list[str]:
        """Return the practices of whose rows, in this number now, not all were read."""
        known = self._by_practice
        return [id_ for id_, number in numbers.items() if number and known.get(id_, (0,))[0] != number]

    def add(self, practice: str, number: int, rows: Rows) -> None:
        """Keep what was read when there were `number` rows."""
        self._by_practice[practice] = number, rows

    def get(self, practice: str) -> Rows | None:
        """Return what was read of a practice; None when it had no row yet."""
        known = self._by_practice.get(practice)
        return None if known is None else known[1]


@dataclass(slots=True)
class PracticeRows:
    """The dated rows of practices that this process has read so far."""

    thresholds: KnownRows[Mapping[str, tuple[Threshold, ...]]] = field(default_factory=KnownRows)
    """By model version, in the order in which they become valid."""
    statistics: KnownRows[tuple[PracticeStatistics, ...]] = field(default_factory=KnownRows)
    """In the order in which they become valid."""
    answers: KnownRows[AnswersByKind] = field(default_factory=KnownRows)
    """Counted once a day; the number of a count is its day."""
