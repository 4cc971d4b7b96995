"""Defines the protocol of a model: it assesses the forms of many dyads at once and returns snapshots."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol

from msgspec import Struct

from services.detector.domain.assessment import Assessment
from services.detector.domain.dated_rows import PracticeStatistics
from services.detector.domain.form import Form
from services.detector.domain.message_precision import MeasuredPrecision
from services.detector.domain.reference import Reference


class DyadForms(Struct, frozen=True):
    """One dyad's forms, in order: those after `snapshot`, or the whole history when that is None."""

    snapshot: bytes | None
    forms: Sequence[Form]
    already_assessed: int = 0
    """Number of leading forms whose assessments are already stored; they are not assessed again."""
    statistics: Sequence[PracticeStatistics | None] = ()
    """For each form those of its practice that are valid at its session; empty: none are known."""


class DyadAssessments(Struct, frozen=True):
    """One assessment per form that was not already assessed, in order."""

    snapshot: bytes
    """The state after the last form; at most 4 kB."""
    assessments: Sequence[Assessment]


@dataclass(frozen=True, slots=True)
class HeartbeatHistory:
    """The fixed history that heartbeats are scored with."""

    forms: Sequence[Form]
    expected_risk: float
    """The risk after its last form on the machine that trained the model."""


class Detector(Protocol):
    """A loaded model. It is pure and deterministic: a dyad's result depends neither on the other dyads of the
    batch nor on whether it continued from a snapshot or folded the whole history."""

    @property
    def version(self) -> str:
        """Version of the artefact; it changes whenever any number could."""

    @property
    def threshold(self) -> float:
        """The risk from which a session is flagged until a practice has a threshold of its own."""

    @property
    def reference(self) -> Reference | None:
        """Distributions of the training data, for drift and starting thresholds; None: not known."""

    @property
    def message_precision(self) -> Mapping[str, MeasuredPrecision]:
        """How often its messages are right in simulated practices, by kind; empty when nobody measured it."""

    @property
    def uses_statistics(self) -> bool:
        """Whether it reads the statistics of a form's practice; where not, it is given none."""

    def reads(self, snapshot: bytes) -> bool:
        """Whether it can continue from these bytes; where not, the history is folded from its start."""

    def assess(self, dyads: Sequence[DyadForms]) -> list[DyadAssessments]:
        """Assess every form that is not already assessed; callers run this CPU work off the event loop."""
