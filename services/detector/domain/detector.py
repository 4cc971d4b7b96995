"""The seam between flow and model: forms in, assessments and a snapshot out, for many dyads at once."""

from collections.abc import Sequence
from typing import Protocol

from msgspec import Struct

from services.detector.domain.assessment import Assessment
from services.detector.domain.form import Form
from services.detector.domain.reference import Reference


class DyadForms(Struct, frozen=True):
    """One dyad's work: forms that follow `snapshot` in order, or its whole history when that is None."""

    snapshot: bytes | None
    forms: Sequence[Form]
    already_assessed: int = 0
    """Of so many of the forms, the first ones, the assessments are known: none is made of them."""


class DyadAssessments(Struct, frozen=True):
    """One assessment per form that is not known, in order, and the state after the last (at most 4 kB)."""

    snapshot: bytes
    assessments: Sequence[Assessment]


class Detector(Protocol):
    """A loaded model. Pure and deterministic: a dyad's result does not depend on what else is in the batch,
    nor on whether it went on from a snapshot or folded the whole history."""

    @property
    def version(self) -> str:
        """Names the artefact: changes whenever any number could."""

    @property
    def threshold(self) -> float:
        """The risk at which to flag until a practice has a threshold of its own."""

    @property
    def reference(self) -> Reference | None:
        """What it was made on, for drift and for starting thresholds; None: not known."""

    def assess(self, dyads: Sequence[DyadForms]) -> list[DyadAssessments]:
        """Assess every form of every dyad that is not known; takes CPU: callers run it off the event loop."""
