"""Measures how often the explanation of a detected rupture agrees with the simulator's truth."""

from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import NamedTuple

import numpy as np

from lab.evaluation.metrics import RuptureSpan, rupture_spans
from lab.product_path import AssessedCohort
from lab.simulator.cohort import Cohort
from schemas.components import Component
from schemas.events import Movement
from services.detector.domain.session_risk import EARLY_RATINGS

COMPONENTS = (Component.BOND, Component.GOAL, Component.TASK)
_SUDDEN_SHARE = 0.45
"""A fall is sudden when its first session has at least this share of it: a ramp of one or two sessions."""
AFTER = (0, 1, 2)
"""Explanations are compared at the first flag, and one and two rated sessions later."""


class NamedMovement(NamedTuple):
    """The movement that was named for a detected rupture, and the true one."""

    after: int
    """Rated sessions since the first flag."""
    true: Movement
    named: str
    """Empty where none was named, because the marks do not show which."""


@dataclass(frozen=True, slots=True)
class ExplanationCounts:
    """Counts over detected ruptures."""

    movements: Counter[NamedMovement] = field(default_factory=Counter)
    leading: Counter[tuple[int, bool]] = field(default_factory=Counter)
    """By number of components that fell, and whether the deepest one was named at the first flag."""

    def named_for(self, true: Movement, after: int = 0) -> Counter[str]:
        """Return how often each movement was named where `true` was the true one."""
        return Counter(
            {movement.named: n for movement, n in self.movements.items() if movement[:2] == (after, true)}
        )

    def add(self, other: "ExplanationCounts") -> None:
        """Add the counts of `other`."""
        self.movements.update(other.movements)
        self.leading.update(other.leading)


def count_explanations(cohort: Cohort, assessed: AssessedCohort) -> ExplanationCounts:
    """Compare the explanations of each detected rupture with the truth, at its first flag and after it."""
    counts = ExplanationCounts()
    for span, first in _detected(cohort, assessed):
        assessments = assessed.dyads[span.client].assessments
        for after, session in enumerate(_compared_sessions(cohort, span, first)):
            position = int(np.count_nonzero(cohort.present[span.client, :session]))
            true = true_movement(cohort, span, session)
            counts.movements[NamedMovement(after, true, assessments[position].movement or "")] += 1
            if after == 0 and not cohort.declined[span.client, session]:
                fall = cohort.courses.fall[span.client, span.begin : session + 1].max(axis=0)
                is_named = assessments[position].leading is COMPONENTS[int(np.argmax(fall))]
                counts.leading[int((fall > 0).sum()), is_named] += 1
    return counts


def _compared_sessions(cohort: Cohort, span: RuptureSpan, first: int) -> list[int]:
    rated = cohort.present[span.client] & ~cohort.declined[span.client]
    later = np.nonzero(rated[first + 1 : span.end])[0] + first + 1
    return [first, *later[: AFTER[-1]].tolist()]


def _detected(cohort: Cohort, assessed: AssessedCohort) -> Iterator[tuple[RuptureSpan, int]]:
    for span in rupture_spans(cohort.rupture & cohort.present):
        flags = np.nonzero(assessed.flagged[span.client, span.begin : span.end])[0]
        if flags.size:
            yield span, span.begin + int(flags[0])


def true_movement(cohort: Cohort, span: RuptureSpan, session: int) -> Movement:
    """Return the movement that the simulator made up to a session of the rupture."""
    client = span.client
    rated = cohort.present[client] & ~cohort.declined[client]
    if cohort.declined[client, session]:
        return Movement.DECLINED_FORMS
    if np.count_nonzero(rated[: session + 1]) < EARLY_RATINGS:
        return Movement.LOW_FROM_START
    fall = cohort.courses.fall[client, span.begin : span.end]
    depth = fall.mean(axis=1)
    if depth[0] < _SUDDEN_SHARE * depth.max():
        return Movement.SLOW_SLIDE
    return Movement.EVERYTHING if np.all(fall[0] > 0) else Movement.SUDDEN_FALL
