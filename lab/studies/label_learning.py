"""Studies what learning from therapists' answers does to the risk, for different habits of answering.

Each practice learns from one caseload and is measured on other clients of the same world, against the truth.
"""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

import numpy as np

from lab.evaluation.false_alarm_rates import flaggable
from lab.evaluation.metrics import calibration_error
from lab.product_path import AssessedCohort, assess_cohort
from lab.simulator.cohort import Cohort, simulate
from lab.simulator.scenarios import SCENARIOS
from lab.studies.simulated_answers import HABITS, simulate_answers
from lab.training.label_correction import BUDGET_SHARE, TooFewLabels, learn_from
from services.detector.domain.detector import Detector
from services.detector.model.recalibration import Recalibration

NEW_CLIENTS = 600
"""Clients to measure on."""


@dataclass(frozen=True, slots=True)
class RiskQuality:
    """How well a risk agrees with the truth, over the rated sessions of new clients."""

    log_loss: float
    calibration_error: float
    false_per_100_stable: float


@dataclass(frozen=True, slots=True)
class StudyOutcome:
    """What the answers of one practice led to."""

    scenario: str
    habits: str
    labels: int
    refused: bool
    """Nothing was learned: too few answers, or nearly all alike."""
    activated: bool
    """The candidate was better on held-out dyads, so a person may activate it."""
    before: RiskQuality
    candidate: RiskQuality
    """Equal to `before` where nothing was learned."""


@dataclass(frozen=True, slots=True)
class SimulatedPractice:
    """A caseload to learn from, and new clients of the same world to measure on."""

    scenario: str
    caseload: Cohort
    assessed: AssessedCohort
    new_clients: Cohort
    assessed_new: AssessedCohort
    detector: Detector


def simulate_practice(detector: Detector, scenario: str, seed: int, clients: int) -> SimulatedPractice:
    """Simulate a practice of `clients` clients, and `NEW_CLIENTS` new ones."""
    rng = np.random.default_rng([seed, 5, *scenario.encode()])
    world = SCENARIOS[scenario](rng)
    caseload, new = simulate(rng, clients, world), simulate(rng, NEW_CLIENTS, world)
    return SimulatedPractice(
        scenario, caseload, assess_cohort(detector, caseload), new, assess_cohort(detector, new), detector
    )


def study(
    detector: Detector,
    clients: int,
    seeds: Sequence[int],
    counts: Sequence[int],
    progress: Callable[[str], None],
) -> list[StudyOutcome]:
    """Study every scenario, seed, habit and number of answers; `progress` gets each scenario's name."""
    out: list[StudyOutcome] = []
    for scenario in SCENARIOS:
        for seed in seeds:
            out.extend(outcomes(simulate_practice(detector, scenario, seed, clients), seed, counts))
            progress(scenario)
    return out


def outcomes(practice: SimulatedPractice, seed: int, counts: Sequence[int]) -> Iterator[StudyOutcome]:
    """Yield what each habit and number of answers leads to; skip numbers that the alerts do not reach."""
    rng = np.random.default_rng([seed, 6])
    threshold = practice.detector.threshold
    before = quality(practice.new_clients, practice.assessed_new, None, threshold)
    for habits in HABITS:
        for count in counts:
            labelled = simulate_answers(rng, habits, practice.caseload, practice.assessed, count)
            if labelled.answers.rupture.size < count:
                continue
            try:
                correction = learn_from(labelled, practice.assessed.dyads, threshold, share=BUDGET_SHARE)
            except TooFewLabels:
                yield StudyOutcome(practice.scenario, habits.name, count, True, False, before, before)
                continue
            after = quality(
                practice.new_clients, practice.assessed_new, correction.recalibration, correction.threshold
            )
            yield StudyOutcome(
                practice.scenario, habits.name, count, False, correction.is_better, before, after
            )


def quality(
    cohort: Cohort, assessed: AssessedCohort, recalibration: Recalibration | None, threshold: float
) -> RiskQuality:
    """Return how well a risk, corrected or not, agrees with the truth on a cohort."""
    rated = cohort.present & ~cohort.declined
    risk = assessed.risk[rated]
    if recalibration is not None:
        risk = recalibration.apply(risk)
    rupture = cohort.rupture[rated]
    flagged = (risk >= threshold) & flaggable(cohort, assessed)[rated]
    probability = np.clip(np.where(rupture, risk, 1 - risk), 1e-6, 1)
    return RiskQuality(
        log_loss=float(-np.log(probability).mean()),
        calibration_error=calibration_error(rupture, risk),
        false_per_100_stable=100 * float(flagged[~rupture].mean()),
    )
