"""Provides a detector that can be computed by hand: the drop of a form below the mean of earlier forms."""

import struct
from collections.abc import Mapping, Sequence
from math import isnan, nan

import msgspec

from schemas.components import Component
from schemas.events import Movement, Status
from services.detector.domain.assessment import Assessment, ComponentFinding
from services.detector.domain.detector import DyadAssessments, DyadForms
from services.detector.domain.form import Form
from services.detector.domain.message_precision import MeasuredPrecision
from services.detector.domain.reference import Reference

_STATE = struct.Struct("<3d3qq")
_PARTS = (Component.BOND, Component.GOAL, Component.TASK)


class ToyDetector:
    """Risk = .1 + 2 x the mean drop below the running mean (+ .1 for each form declined in a row), 0 to 1."""

    uses_statistics = False

    def __init__(
        self, version: str = "toy-1", threshold: float = 0.5, reference: Reference | None = None
    ) -> None:
        self.version = version
        self.threshold = threshold
        self.reference = reference
        self.message_precision: Mapping[str, MeasuredPrecision] = {}

    def reads(self, snapshot: bytes) -> bool:
        """Whether the bytes have the size of its state."""
        return len(snapshot) == _STATE.size

    def assess(self, dyads: Sequence[DyadForms]) -> list[DyadAssessments]:
        """Fold each dyad on its own."""
        return [self._assess(dyad) for dyad in dyads]

    def _assess(self, dyad: DyadForms) -> DyadAssessments:
        b, g, t, nb, ng, nt, declined = _STATE.unpack(dyad.snapshot or bytes(_STATE.size))
        sums, counts = [b, g, t], [nb, ng, nt]
        assessments = []
        for form in dyad.forms:
            baseline = [s / n if n else nan for s, n in zip(sums, counts, strict=True)]
            declined = declined + 1 if form.status is Status.DECLINED else 0
            marks = (form.bond, form.goal, form.task)
            assessments.append(self._assessment(form, marks, baseline, counts, declined))
            for i, mark in enumerate(marks):
                if not isnan(mark):
                    sums[i] += mark
                    counts[i] += 1
        return DyadAssessments(_STATE.pack(*sums, *counts, declined), assessments[dyad.already_assessed :])

    @staticmethod
    def _assessment(
        form: Form, marks: Sequence[float], baseline: Sequence[float], counts: Sequence[int], declined: int
    ) -> Assessment:
        given = [mark for mark in marks if not isnan(mark)]
        level = sum(given) / len(given) if given else nan
        drops = [u - m for u, m in zip(baseline, marks, strict=True) if not isnan(u - m)]
        drop = sum(drops) / len(drops) if drops else 0.0
        risk = round(min(1.0, max(0.0, 0.1 + 2 * drop + 0.1 * declined)), 6)
        if max(counts) < 2 and level <= 0.4:
            risk = 0.9
        leading = max(
            range(3), key=lambda i: (baseline[i] - marks[i]) if not isnan(baseline[i] - marks[i]) else -1
        )
        return Assessment(
            risk=risk,
            components={
                part: ComponentFinding(
                    round(risk / 3, 6) if not isnan(u - m) else 0.0, round(m, 6), round(u, 6)
                )
                for part, m, u in zip(_PARTS, marks, baseline, strict=True)
            },
            leading=_PARTS[leading] if drops else None,
            movement=Movement.SUDDEN_FALL if drop > 0.1 else None,
            ratings=max(counts) + bool(given),
            level=round(level, 6),
        )


class StatisticsReader(ToyDetector):
    """The toy detector on marks that are moved by a practice's first statistic; notes what it was given."""

    uses_statistics = True

    def __init__(self, version: str = "reader-1") -> None:
        super().__init__(version)
        self.given: dict[str, str | None] = {}
        """The version of the statistics that each session was last given, by session id."""

    def assess(self, dyads: Sequence[DyadForms]) -> list[DyadAssessments]:
        """Fold each dyad on its own, each form with the statistics that are valid at its session."""
        return super().assess([self._moved(dyad) for dyad in dyads])

    def _moved(self, dyad: DyadForms) -> DyadForms:
        statistics = dyad.statistics or [None] * len(dyad.forms)
        forms = []
        for form, row in zip(dyad.forms, statistics, strict=True):
            self.given[str(form.order.session_id)] = None if row is None else row.version
            share = 1 - row.values[0] / 4 if row is not None else 1.0
            forms.append(
                msgspec.structs.replace(
                    form, bond=form.bond * share, goal=form.goal * share, task=form.task * share
                )
            )
        return msgspec.structs.replace(dyad, forms=forms)
