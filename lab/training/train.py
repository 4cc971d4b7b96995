"""Trains the classifier on simulated cohorts, calibrates it on others, and chooses its threshold."""

import hashlib
from collections.abc import Callable
from dataclasses import dataclass
from math import ceil

import numpy as np
from numpy.typing import NDArray
from sklearn.ensemble import HistGradientBoostingClassifier
from sklearn.linear_model import LogisticRegression
from threadpoolctl import threadpool_limits

from lab.simulator.cohort import simulate
from lab.training.cohort_features import fold_cohort
from services.detector.features.extractor import FEATURES, MONOTONE, FeatureExtractor
from services.detector.model.classifier import Blend, Classifier, Scorer
from services.detector.model.manifest import TrainingRecord

Floats = NDArray[np.float64]
Progress = Callable[[str, int, int], None]
"""Called with the name of the phase, the number of steps done, and their total."""

BUDGET = 5.0
"""Flagged sessions per 100 rated sessions without a rupture under way."""


@dataclass(frozen=True, slots=True)
class TrainingPlan:
    """The amount of training data; the defaults take about five minutes on one thread."""

    seed: int = 20
    cohorts: int = 1600
    clients: int = 40
    rows: int = 700_000
    """Highest number of sessions to train on; drawn at random from all cohorts when there are more."""
    calibration_cohorts: int = 300
    trees: int = 150


@dataclass(frozen=True, slots=True)
class TrainedClassifier:
    """A classifier, and what goes into its manifest."""

    classifier: Classifier
    threshold: float
    predictions_sha256: str
    training: TrainingRecord


@dataclass(frozen=True, slots=True)
class Sample:
    """n sessions of many cohorts."""

    features: Floats
    """(n, features)"""
    rupture: NDArray[np.bool_]
    """(n,) a rupture is under way."""
    rated: NDArray[np.bool_]
    """(n,) the client gave a form."""


def simulate_sample(
    seed: np.random.SeedSequence, cohorts: int, clients: int, progress: Callable[[int], None]
) -> Sample:
    """Simulate cohorts, each from its own world, and return all their sessions."""
    features = FeatureExtractor()
    declined = features.names.index("declined")
    xs, ys = [], []
    for number, child in enumerate(seed.spawn(cohorts)):
        rows = fold_cohort(features, simulate(np.random.default_rng(child), clients))
        xs.append(rows.features)
        ys.append(rows.rupture)
        progress(number + 1)
    x = np.concatenate(xs)
    return Sample(x, np.concatenate(ys), x[:, declined] == 0)


def fit_trees(sample: Sample, plan: TrainingPlan) -> HistGradientBoostingClassifier:
    """Fit boosted trees, monotone in the features that rise when a whole form falls (`MONOTONE`)."""
    trees = HistGradientBoostingClassifier(
        learning_rate=0.12,
        max_iter=plan.trees,
        max_leaf_nodes=10,
        min_samples_leaf=400,
        l2_regularization=10.0,
        max_features=0.3,
        monotonic_cst=list(MONOTONE),
        early_stopping=False,
        random_state=plan.seed,
    )
    return trees.fit(sample.features, sample.rupture)


def fit_blend(trees: HistGradientBoostingClassifier, held_out: Sample) -> Blend:
    """Weigh the log-odds of the trees and of the filter by logistic regression, which also calibrates them.

    `held_out` has sessions that the trees have not seen. Negative weights are set to 0.
    """
    log_odds_index = FEATURES.index("odds")
    log_odds = np.stack(
        [trees.decision_function(held_out.features), held_out.features[:, log_odds_index]], axis=1
    )
    fitted = LogisticRegression(C=1e6).fit(log_odds, held_out.rupture)
    tree_weight, filter_weight = np.maximum(fitted.coef_[0], 0.0).tolist()
    return Blend(trees, log_odds_index, (tree_weight, filter_weight, float(fitted.intercept_[0])))


def threshold_for(risk: Floats, stable: NDArray[np.bool_], budget: float) -> float:
    """Return the risk that `budget` of 100 stable sessions reach, rounded up to 4 decimals.

    `risk` and `stable` (n,): stable sessions are rated ones without a rupture under way.
    """
    cut = float(np.quantile(risk[stable], 1 - budget / 100))
    return min(max(ceil(cut * 1e4) / 1e4, 0.0001), 0.9999)


def train(plan: TrainingPlan, progress: Progress) -> TrainedClassifier:
    """Train on some cohorts, then calibrate and choose the threshold on others; uses one thread."""
    training_seed, calibration_seed = np.random.SeedSequence(plan.seed).spawn(2)
    training = simulate_sample(
        training_seed, plan.cohorts, plan.clients, lambda done: progress("simulating", done, plan.cohorts)
    )
    held_out = simulate_sample(
        calibration_seed,
        plan.calibration_cohorts,
        plan.clients,
        lambda done: progress("holding out", done, plan.calibration_cohorts),
    )
    if training.rupture.size > plan.rows:
        chosen = np.random.default_rng(plan.seed).choice(training.rupture.size, plan.rows, replace=False)
        chosen.sort()
        training = Sample(training.features[chosen], training.rupture[chosen], training.rated[chosen])
    progress("fitting", 0, 1)
    with threadpool_limits(limits=1):
        trees = fit_trees(training, plan)
        blend = fit_blend(trees, held_out)
    progress("fitting", 1, 1)
    risk = Scorer(blend).score(held_out.features)
    return TrainedClassifier(
        classifier=blend,
        threshold=threshold_for(risk, held_out.rated & ~held_out.rupture, BUDGET),
        predictions_sha256=hashlib.sha256(risk.astype("<f8").tobytes()).hexdigest(),
        training=TrainingRecord(
            seed=plan.seed,
            cohorts=plan.cohorts,
            clients=plan.clients,
            rows=int(training.rupture.size),
            calibration_cohorts=plan.calibration_cohorts,
            calibration_rows=int(held_out.rupture.size),
        ),
    )
