"""A seed in, a calibrated classifier out: simulated cohorts, the detector's own features, boosted trees."""

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
"""Called with what is being done, how much of it is done, and how much there is."""

BUDGET = 5.0
"""Flagged sessions per 100 rated sessions of clients without a rupture under way."""


@dataclass(frozen=True, slots=True)
class Plan:
    """How much to train on; the defaults take about five minutes on one thread."""

    seed: int = 20
    cohorts: int = 1600
    clients: int = 40
    rows: int = 700_000
    """At most so many sessions are trained on, evenly over the cohorts."""
    calibration_cohorts: int = 300
    trees: int = 150


@dataclass(frozen=True, slots=True)
class Trained:
    """A classifier, and all that its manifest needs to know of it."""

    classifier: Classifier
    threshold: float
    predictions_sha256: str
    training: TrainingRecord


@dataclass(frozen=True, slots=True)
class Sample:
    """Sessions of many cohorts."""

    features: Floats
    rupture: NDArray[np.bool_]
    rated: NDArray[np.bool_]


def draw(seed: np.random.SeedSequence, cohorts: int, clients: int, told: Callable[[int], None]) -> Sample:
    """All sessions of `cohorts` cohorts, each from its own world."""
    features = FeatureExtractor()
    declined = features.names.index("declined")
    xs, ys = [], []
    for number, child in enumerate(seed.spawn(cohorts)):
        rows = fold_cohort(features, simulate(np.random.default_rng(child), clients))
        xs.append(rows.features)
        ys.append(rows.rupture)
        told(number + 1)
    x = np.concatenate(xs)
    return Sample(x, np.concatenate(ys), x[:, declined] == 0)


def fit(sample: Sample, plan: Plan) -> HistGradientBoostingClassifier:
    """Boosted trees that only rise with the features that rise when a whole form falls."""
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


def weigh(trees: HistGradientBoostingClassifier, held: Sample) -> Blend:
    """Weights that make risks as frequent as they say on sessions that the trees have not seen."""
    log_odds_index = FEATURES.index("odds")
    both = np.stack([trees.decision_function(held.features), held.features[:, log_odds_index]], axis=1)
    fitted = LogisticRegression(C=1e6).fit(both, held.rupture)
    of_trees, of_odds = np.maximum(fitted.coef_[0], 0.0).tolist()
    return Blend(trees, log_odds_index, (of_trees, of_odds, float(fitted.intercept_[0])))


def threshold_for(risk: Floats, stable: NDArray[np.bool_], budget: float) -> float:
    """The risk that `budget` of 100 stable sessions reach, rounded up to 4 decimals."""
    cut = float(np.quantile(risk[stable], 1 - budget / 100))
    return min(max(ceil(cut * 1e4) / 1e4, 0.0001), 0.9999)


def train(plan: Plan, progress: Progress) -> Trained:
    """Train, calibrate on cohorts not trained on, and choose the threshold on those; one thread."""
    learning, holding = np.random.SeedSequence(plan.seed).spawn(2)
    learn = draw(
        learning, plan.cohorts, plan.clients, lambda done: progress("simulating", done, plan.cohorts)
    )
    held = draw(
        holding,
        plan.calibration_cohorts,
        plan.clients,
        lambda done: progress("holding out", done, plan.calibration_cohorts),
    )
    if learn.rupture.size > plan.rows:
        chosen = np.random.default_rng(plan.seed).choice(learn.rupture.size, plan.rows, replace=False)
        chosen.sort()
        learn = Sample(learn.features[chosen], learn.rupture[chosen], learn.rated[chosen])
    progress("fitting", 0, 1)
    with threadpool_limits(limits=1):
        trees = fit(learn, plan)
        blend = weigh(trees, held)
    progress("fitting", 1, 1)
    risk = Scorer(blend).score(held.features)
    return Trained(
        classifier=blend,
        threshold=threshold_for(risk, held.rated & ~held.rupture, BUDGET),
        predictions_sha256=hashlib.sha256(risk.astype("<f8").tobytes()).hexdigest(),
        training=TrainingRecord(
            seed=plan.seed,
            cohorts=plan.cohorts,
            clients=plan.clients,
            rows=int(learn.rupture.size),
            calibration_cohorts=plan.calibration_cohorts,
            calibration_rows=int(held.rupture.size),
        ),
    )
