"""Worlds and habits of therapists in, what learning from their answers does to the risk out.

Each practice learns from one caseload and is measured on clients that it has never seen, against the truth.
"""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

import numpy as np

from lab.evaluation.false_alarm_rates import flaggable
from lab.evaluation.metrics import calibration_error
from lab.product_path import JudgedCohort, judge_cohort
from lab.simulator.cohort import Cohort, simulate
from lab.simulator.scenarios import KINDS
from lab.studies.simulated_answers import HABITS, answers
from lab.training.label_correction import NotEnough, learn_from
from services.detector.domain.detector import Detector
from services.detector.model.recalibration import Recalibration

FRESH = 600
"""Clients to measure on."""


@dataclass(frozen=True, slots=True)
class Quality:
    """A risk beside the truth, over the rated sessions of fresh clients."""

    log_loss: float
    calibration_error: float
    false_per_100_stable: float


@dataclass(frozen=True, slots=True)
class Outcome:
    """One practice: what its answers led to."""

    kind: str
    habits: str
    labels: int
    refused: bool
    """Nothing was learned: too few answers, or all alike."""
    activated: bool
    """The candidate was better on held-out dyads, so that a person may activate it."""
    before: Quality
    candidate: Quality
    """As before where nothing was learned."""


@dataclass(frozen=True, slots=True)
class Practice:
    """A caseload that was told of episodes, and clients of the same world that nobody learned from."""

    kind: str
    known: Cohort
    judged: JudgedCohort
    fresh: Cohort
    judged_fresh: JudgedCohort
    detector: Detector


def practice(detector: Detector, kind: str, seed: int, clients: int) -> Practice:
    """A practice of `clients` clients, and `FRESH` others."""
    rng = np.random.default_rng([seed, 5, *kind.encode()])
    world = KINDS[kind](rng)
    known, fresh = simulate(rng, clients, world), simulate(rng, FRESH, world)
    return Practice(
        kind, known, judge_cohort(detector, known), fresh, judge_cohort(detector, fresh), detector
    )


def study(
    detector: Detector, clients: int, seeds: Sequence[int], counts: Sequence[int], told: Callable[[str], None]
) -> list[Outcome]:
    """Every kind of cohort, habit and number of answers."""
    out: list[Outcome] = []
    for kind in KINDS:
        for seed in seeds:
            out.extend(outcomes(practice(detector, kind, seed, clients), seed, counts))
            told(kind)
    return out


def outcomes(one: Practice, seed: int, counts: Sequence[int]) -> Iterator[Outcome]:
    """What each habit's answers lead to, were they so many; fewer than asked for are left out."""
    rng = np.random.default_rng([seed, 6])
    threshold = one.detector.threshold
    before = quality(one.fresh, one.judged_fresh, None, threshold)
    for habits in HABITS:
        for most in counts:
            labelled = answers(rng, habits, one.known, one.judged, most)
            if labelled.said.rupture.size < most:
                continue
            try:
                found = learn_from(labelled, one.judged.judged, threshold, share=0.05)
            except NotEnough:
                yield Outcome(one.kind, habits.name, most, True, False, before, before)
                continue
            after = quality(one.fresh, one.judged_fresh, found.recalibration, found.threshold)
            yield Outcome(one.kind, habits.name, most, False, found.is_better, before, after)


def quality(
    cohort: Cohort, judged: JudgedCohort, recalibration: Recalibration | None, threshold: float
) -> Quality:
    """How a risk does on a cohort."""
    rated = cohort.present & ~cohort.declined
    risk = judged.risk[rated] if recalibration is None else recalibration.of(judged.risk[rated])
    rupture = cohort.rupture[rated]
    flagged = (risk >= threshold) & flaggable(cohort, judged)[rated]
    held = np.clip(np.where(rupture, risk, 1 - risk), 1e-6, 1)
    return Quality(
        log_loss=float(-np.log(held).mean()),
        calibration_error=calibration_error(rupture, risk),
        false_per_100_stable=100 * float(flagged[~rupture].mean()),
    )
