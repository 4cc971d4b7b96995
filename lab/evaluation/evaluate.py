"""A detector in, figures on cohorts it was not trained on out, with today's rules on the same ratings."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from lab.evaluation.ablation import Parts, parts
from lab.evaluation.curves import precision_at_recalls, risk_and_truth
from lab.evaluation.explanation_accuracy import Explained, explained
from lab.evaluation.false_alarm_rates import Kept, kept
from lab.evaluation.metrics import Caught, Ranking, calibration_error, caught, ranking, spells
from lab.evaluation.share_of_optimum import Optimal, OptimalFigures, optimal_figures
from lab.evaluation.subgroups import Fairness, fairness
from lab.product_path import JudgedCohort, judge_cohort
from lab.simulator.cohort import Cohort, simulate
from lab.simulator.scenarios import KINDS, Kind
from schemas.events import Component
from services.detector.domain.baseline_rules import SRS_CUTOFF, baseline_rules, totals
from services.detector.domain.detector import Detector
from services.detector.model.trained_detector import TrainedDetector

Floats = NDArray[np.float64]
Bools = NDArray[np.bool_]

BUDGET = 5.0
"""Flagged sessions per 100 stable ones, at which ways of flagging are compared."""
_COMPONENTS = (Component.BOND, Component.GOAL, Component.TASK)
_LINES = 0.05
"""Instruments with finer steps than this are read off lines, as the SRS is, and have its cutoff."""


@dataclass(frozen=True, slots=True)
class RuleFigures:
    """What one way of flagging reached on one cohort."""

    name: str
    ranking: Ranking
    flagged_per_100: float
    """Of the rated sessions."""
    false_per_100_stable: float
    """Of the rated sessions without a rupture under way."""
    caught: Caught
    caught_at_budget: float
    """Share of ruptures caught at the cut that flags 5 of 100 stable sessions, by score alone."""
    precision: Floats
    """(20,) at `curves.RECALLS`."""


@dataclass(frozen=True, slots=True)
class KindFigures:
    """What the detector and the rules reached on one cohort of one kind."""

    kind: str
    seed: int
    rupture_per_100: float
    model: RuleFigures
    opened_per_100: float
    """Episodes opened per 100 rated sessions."""
    calibration_error: float
    leading_right: tuple[int, int]
    """Of the caught ruptures of one component: how many name it at the first flag, and how many there are."""
    rules: tuple[RuleFigures, ...]
    reliability: Floats
    """(13, 3) of `curves.risk_and_truth`."""
    explained: Explained
    fairness: Fairness
    kept: tuple[Kept, ...]
    parts: Parts | None = None
    """What the filter and the trees would reach alone; None for a model of another make."""
    optimal: OptimalFigures | None = None
    """None where the optimal filter was not asked for."""


def evaluate_kind(
    detector: Detector,
    name: str,
    kind: Kind,
    seed: int,
    clients: int,
    *,
    optimal: Optimal | None = None,
) -> KindFigures:
    """The figures of one cohort, beside the optimal filter when it is asked for."""
    rng = np.random.default_rng([seed, *name.encode()])
    cohort = simulate(rng, clients, kind(rng))
    judged = judge_cohort(detector, cohort)
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
            caught=caught(rupture, rated, flagged),
            caught_at_budget=caught(rupture, rated, rated & (score > cut)).share,
            precision=precision_at_recalls(rupture[cohort.present], score[cohort.present]),
        )

    total = totals(cohort.forms)
    cutoff = SRS_CUTOFF if cohort.world.shape.step_share < _LINES else None
    rules = []
    for rule in baseline_rules(cutoff):
        score = rule.score(total)
        rules.append(figures(rule.name, score, rated & (score >= rule.cut)))
    return KindFigures(
        kind=name,
        seed=seed,
        rupture_per_100=100 * float(rupture[cohort.present].mean()),
        model=figures("Rapport", judged.risk, judged.flagged),
        opened_per_100=100 * float(judged.opened.sum()) / float(rated.sum()),
        calibration_error=calibration_error(rupture[cohort.present], judged.risk[cohort.present]),
        leading_right=_leading(cohort, judged),
        rules=tuple(rules),
        reliability=risk_and_truth(rupture[cohort.present], judged.risk[cohort.present]),
        explained=explained(cohort, judged),
        fairness=fairness(cohort, judged),
        kept=tuple(kept(detector, cohort, judged)),
        parts=parts(detector.classifier, cohort) if isinstance(detector, TrainedDetector) else None,
        optimal=optimal_figures(cohort, judged.risk, BUDGET, optimal) if optimal else None,
    )


def _leading(cohort: Cohort, judged: JudgedCohort) -> tuple[int, int]:
    right = count = 0
    for spell in spells(cohort.rupture & cohort.present):
        inside = slice(spell.begin, spell.end)
        fallen = np.nonzero(cohort.courses.fall[spell.client, inside].max(axis=0) > 0)[0]
        flags = np.nonzero(judged.flagged[spell.client, inside] & ~cohort.declined[spell.client, inside])[0]
        if fallen.size == 1 and flags.size:
            found = judged.judged[spell.client].found[spell.begin + int(flags[0])]
            count += 1
            right += found.leading is _COMPONENTS[int(fallen[0])]
    return right, count


def evaluate(
    detector: Detector,
    clients: int,
    seeds: Sequence[int],
    told: Callable[[str], None],
    optimal: Optimal | None = None,
) -> list[KindFigures]:
    """The figures of each kind and seed; `told` hears the name of each when it is done.

    With `optimal`, the optimal filter is run beside, at a minute or more a cohort.
    """
    out = []
    for name, kind in KINDS.items():
        for seed in seeds:
            beside = optimal if optimal and seed in seeds[: optimal.cohorts] else None
            out.append(evaluate_kind(detector, name, kind, seed, clients, optimal=beside))
            told(name)
    return out
