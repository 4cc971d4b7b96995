"""What passes through the stages: one transaction's work, and the tools that the stages share."""

from dataclasses import dataclass, field
from datetime import date

from schemas.ids import DyadId
from schemas.instruments.catalogue import Catalogue
from services.detector.contracts import BeatEvent
from services.detector.domain.detector import HeartbeatHistory
from services.detector.domain.dyad_work import Arrival, DyadWork
from services.detector.domain.outcomes import BatchCounts
from services.detector.domain.practice import Models, PracticeRows
from services.runtime.kafka.record import Record
from services.runtime.outbox.transaction import Transaction


@dataclass(slots=True)
class Batch:
    """One transaction's work."""

    tx: Transaction
    arrivals: list[Arrival] = field(default_factory=list)
    heartbeats: list[tuple[Record, BeatEvent]] = field(default_factory=list)
    dyads: dict[DyadId, DyadWork] = field(default_factory=dict)
    day: date | None = None
    """The day of a sweep; None for records that were read."""
    counts: BatchCounts = field(default_factory=BatchCounts)
    """What happened; added to the metrics once the transaction is committed."""


@dataclass(frozen=True, slots=True)
class Tools:
    """What the stages work with."""

    models: Models
    rows: PracticeRows
    catalogue: Catalogue
    heartbeat: HeartbeatHistory
