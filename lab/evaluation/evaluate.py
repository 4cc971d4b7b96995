"""Evaluates a detector beside today's rules, on simulated cohorts of scenarios that it was not trained on."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from lab.evaluation.ablation import PartScores, part_scores
from lab.evaluation.curves import precision_at_recalls, risk_and_truth
from lab.evaluation.explanation_accuracy import ExplanationCounts, count_explanations
from lab.evaluation.false_alarm_rates import FalseAlarmRate, false_alarm_rates
from lab.evaluation.metrics import (
    Ranking,
    RuptureDetection,
    calibration_error,
    detection_figures,
    ranking,
    rupture_spans,
)
from lab.evaluation.share_of_optimum import OptimalFigures, OptimalFilterSettings, optimal_figures
from lab.evaluation.subgroups import SubgroupCounts, count_by_subgroup
from lab.product_path import AssessedCohort, assess_cohort
from lab.simulator.cohort import Cohort, simulate
from lab.simulator.instruments import cutoff_share
from lab.simulator.scenarios import SCENARIOS, Scenario
from schemas.components import Component
from services.detector.domain.baseline_rules import baseline_rules, totals
from services.detector.domain.detector import Detector
from services.detector.model.trained_detector import TrainedDetector

Floats = NDArray[np.float64]
Bools = NDArray[np.bool_]

BUDGET = 5.0
"""Flagged sessions per 100 stable ones, at which ways of flagging are compared."""
_COMPONENTS = (Component.BOND, Component.GOAL, Component.TASK)


@dataclass(frozen=True, slots=True)
class RuleFigures:
    """What one way of flagging reached on one cohort."""

    name: str
    ranking: Ranking
    flagged_per_100: float
    """Per 100 rated sessions."""
    false_per_100_stable: float
    """Per 100 rated sessions without a rupture under way."""
    detection: RuptureDetection
    detected_at_budget: float
    """Share of ruptures detected at the cut that flags `BUDGET` of 100 stable sessions, by score alone."""
    precision: Floats
    """(20,) at `curves.RECALLS`."""


@dataclass(frozen=True, slots=True)
class ScenarioFigures:
    """What the detector and the rules reached on one cohort of a scenario."""

    scenario: str
    seed: int
    rupture_per_100: float
    """Sessions with a rupture under way, of 100."""
    model: RuleFigures
    opened_per_100: float
    """Episodes opened per 100 rated sessions."""
    calibration_error: float
    leading_right: tuple[int, int]
    """Detected ruptures in one component: how many name it at the first flag, and how many there are."""
    rules: tuple[RuleFigures, ...]
    reliability: Floats
    """(13, 3) of `curves.risk_and_truth`."""
    explanations: ExplanationCounts
    subgroups: SubgroupCounts
    false_alarm_rates: tuple[FalseAlarmRate, ...]
    parts: PartScores | None = None
    """Scores of the filter and of the trees alone; None for a model that is not a blend of them."""
    optimal: OptimalFigures | None = None
    """None where the optimal filter was not run."""


def evaluate_cohort(
    detector: Detector,
    name: str,
    scenario: Scenario,
    seed: int,
    clients: int,
    *,
    optimal: OptimalFilterSettings | None = None,
) -> ScenarioFigures:
    """Simulate one cohort of a scenario and measure the detector and the rules on it.

    Args:
        detector: the model.
        name: of the scenario; part of the random seed.
        scenario: draws the cohort's parameters.
        seed: of the cohort.
        clients: number of clients.
        optimal: also run the optimal filter with these settings.
    """
    rng = np.random.default_rng([seed, *name.encode()])
    cohort = simulate(rng, clients, scenario(rng))
    assessed = assess_cohort(detector, cohort)
    rated = cohort.present & ~cohort.declined
    rupture = cohort.rupture & cohort.present
    stable = rated & ~rupture

    def figures(rule: str, score: Floats, flagged: Bools) -> RuleFigures:
        cut = float(np.quantile(score[stable], 1 - BUDGET / 100, method="higher"))
        return RuleFigures(
            name=rule,
            ranking=ranking(rupture[cohort.present], score[cohort.present]),
            flagged_per_100=100 * float(flagged[rated].mean()),
            false_per_100_stable=100 * float(flagged[stable].mean()),
            detection=detection_figures(rupture, rated, flagged),
            detected_at_budget=detection_figures(rupture, rated, rated & (score > cut)).share,
            precision=precision_at_recalls(rupture[cohort.present], score[cohort.present]),
        )

    total = totals(cohort.forms)
    rules = []
    for rule in baseline_rules(cutoff_share(cohort.world.instrument)):
        score = rule.score(total)
        rules.append(figures(rule.name, score, rated & (score >= rule.cut)))
    return ScenarioFigures(
        scenario=name,
        seed=seed,
        rupture_per_100=100 * float(rupture[cohort.present].mean()),
        model=figures("Rapport", assessed.risk, assessed.flagged),
        opened_per_100=100 * float(assessed.opened.sum()) / float(rated.sum()),
        calibration_error=calibration_error(rupture[cohort.present], assessed.risk[cohort.present]),
        leading_right=_leading_right(cohort, assessed),
        rules=tuple(rules),
        reliability=risk_and_truth(rupture[cohort.present], assessed.risk[cohort.present]),
        explanations=count_explanations(cohort, assessed),
        subgroups=count_by_subgroup(cohort, assessed),
        false_alarm_rates=tuple(false_alarm_rates(detector, cohort, assessed)),
        parts=part_scores(detector, cohort) if isinstance(detector, TrainedDetector) else None,
        optimal=optimal_figures(cohort, assessed.risk, BUDGET, optimal) if optimal else None,
    )


def _leading_right(cohort: Cohort, assessed: AssessedCohort) -> tuple[int, int]:
    right = count = 0
    for span in rupture_spans(cohort.rupture & cohort.present):
        sessions = slice(span.begin, span.end)
        fallen = np.nonzero(cohort.courses.fall[span.client, sessions].max(axis=0) > 0)[0]
        rated = ~cohort.declined[span.client, sessions]
        flags = np.nonzero(assessed.flagged[span.client, sessions] & rated)[0]
        if fallen.size == 1 and flags.size:
            assessment = assessed.dyads[span.client].assessments[span.begin + int(flags[0])]
            count += 1
            right += assessment.leading is _COMPONENTS[int(fallen[0])]
    return right, count


def evaluate(
    detector: Detector,
    clients: int,
    seeds: Sequence[int],
    progress: Callable[[str], None],
    optimal: OptimalFilterSettings | None = None,
) -> list[ScenarioFigures]:
    """Evaluate every scenario with every seed; `progress` gets the scenario's name after each cohort.

    With `optimal`, the optimal filter is run on its number of cohorts, a minute or more each.
    """
    results = []
    for name, scenario in SCENARIOS.items():
        for seed in seeds:
            settings = optimal if optimal and seed in seeds[: optimal.cohorts] else None
            results.append(evaluate_cohort(detector, name, scenario, seed, clients, optimal=settings))
            progress(name)
    return results
