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
from lab.simulator.two_state_cohort import simulate_two_state
from lab.training.cohort_features import fold_cohort
from services.detector.features.extractor import FEATURES, MONOTONE, FeatureExtractor
from services.detector.model.classifier import Blend, Classifier, NetworkBlend, Scorer
from services.detector.model.manifest import TrainingRecord
from services.detector.model.network import Network

Floats = NDArray[np.float64]
Progress = Callable[[str, int, int], None]
"""Called with the name of the phase, the number of steps done, and their total."""

_FAMILIES = (simulate, simulate_two_state)
BUDGET = 5.0
"""Flagged sessions per 100 rated sessions without a rupture under way."""


@dataclass(frozen=True, slots=True)
class TrainingPlan:
    """The amount of training data; half of all cohorts are of each family of worlds."""

    seed: int = 20
    cohorts: int = 2000
    clients: int = 40
    """Clients of a cohort to train on."""
    rows: int = 700_000
    """Highest number of sessions to train on; drawn at random from all cohorts when there are more."""
    calibration_cohorts: int = 400
    calibration_clients: int = 60
    """Enough that half of them have statistics, which the network reads for the other half."""
    trees: int = 170


@dataclass(frozen=True, slots=True)
class TrainedClassifier:
    """A classifier, and what goes into its manifest."""

    classifier: Classifier
    threshold: float
    predictions_sha256: str
    training: TrainingRecord
    network: Network | None = None
    """The one that the classifier was fitted with."""


@dataclass(frozen=True, slots=True)
class Sample:
    """n sessions of many cohorts."""

    features: Floats
    """(n, features)"""
    rupture: NDArray[np.bool_]
    """(n,) a rupture is under way."""
    rated: NDArray[np.bool_]
    """(n,) the client gave a form."""
    network_log_odds: Floats | None = None
    """(n,); None without a network."""


def simulate_sample(
    seed: np.random.SeedSequence,
    cohorts: int,
    clients: int,
    progress: Callable[[int], None],
    network: Network | None = None,
) -> Sample:
    """Simulate cohorts, each from its own world of the two families in turn; return all their sessions."""
    features = FeatureExtractor()
    declined = features.names.index("declined")
    xs, ys, log_odds = [], [], []
    for number, child in enumerate(seed.spawn(cohorts)):
        family = _FAMILIES[number % len(_FAMILIES)]
        rows = fold_cohort(features, family(np.random.default_rng(child), clients), network)
        xs.append(rows.features)
        ys.append(rows.rupture)
        if rows.network_log_odds is not None:
            log_odds.append(rows.network_log_odds)
        progress(number + 1)
    x = np.concatenate(xs)
    of_network = None if network is None else np.concatenate(log_odds)
    return Sample(x, np.concatenate(ys), x[:, declined] == 0, of_network)


def fit_trees(sample: Sample, plan: TrainingPlan) -> HistGradientBoostingClassifier:
    """Fit boosted trees, monotone in the features that rise when a whole form falls (`MONOTONE`)."""
    trees = HistGradientBoostingClassifier(
        learning_rate=0.1,
        max_iter=plan.trees,
        max_leaf_nodes=31,
        min_samples_leaf=300,
        l2_regularization=10.0,
        max_features=0.25,
        monotonic_cst=list(MONOTONE),
        early_stopping=False,
        random_state=plan.seed,
    )
    return trees.fit(sample.features, sample.rupture)


def fit_blend(trees: HistGradientBoostingClassifier, held_out: Sample) -> Blend | NetworkBlend:
    """Weigh the log-odds of the trees and of the filter together, or of the trees and of a network.

    A logistic regression on sessions that the trees have not seen calibrates them. It also weighs trees and
    filter; none of these weights is negative. Trees and network count alike: fitted weights would follow the
    network wherever its training worlds are met again, and the trees are the better judge of other practices
    and of a fall that is one form old (docs/decisions/0015).
    """
    log_odds_index = FEATURES.index("odds")
    of_trees = trees.decision_function(held_out.features)
    if held_out.network_log_odds is None:
        log_odds = [of_trees, held_out.features[:, log_odds_index]]
        (tree_weight, filter_weight), constant = _fit_weights(log_odds, held_out.rupture)
        return Blend(trees, log_odds_index, (tree_weight, filter_weight, constant))
    (weight,), constant = _fit_weights([of_trees + held_out.network_log_odds], held_out.rupture)
    return NetworkBlend(trees, log_odds_index, (weight, 0.0, weight, constant))


def _fit_weights(log_odds: list[Floats], rupture: NDArray[np.bool_]) -> tuple[list[float], float]:
    """Return a weight of at least 0 for each column, and the constant.

    A column whose weight would be negative is left out, the most negative one first, and the others are
    fitted again.
    """
    kept = list(range(len(log_odds)))
    while True:
        fitted = LogisticRegression(C=1e6).fit(np.stack([log_odds[place] for place in kept], axis=1), rupture)
        found = fitted.coef_[0].tolist()
        if min(found) >= 0 or len(kept) == 1:
            break
        del kept[int(np.argmin(found))]
    weights = [0.0] * len(log_odds)
    for place, weight in zip(kept, found, strict=True):
        weights[place] = max(weight, 0.0)
    return weights, float(fitted.intercept_[0])


def threshold_for(risk: Floats, stable: NDArray[np.bool_], budget: float) -> float:
    """Return the risk that `budget` of 100 stable sessions reach, rounded up to 4 decimals.

    `risk` and `stable` (n,): stable sessions are rated ones without a rupture under way.
    """
    cut = float(np.quantile(risk[stable], 1 - budget / 100))
    return min(max(ceil(cut * 1e4) / 1e4, 0.0001), 0.9999)


def train(plan: TrainingPlan, progress: Progress, network: Network | None = None) -> TrainedClassifier:
    """Train on some cohorts, then calibrate and choose the threshold on others; uses one thread.

    `network` is a trained one to blend with; it should not have seen the cohorts of the calibration.
    """
    training_seed, calibration_seed = np.random.SeedSequence(plan.seed).spawn(2)
    training = simulate_sample(
        training_seed, plan.cohorts, plan.clients, lambda done: progress("simulating", done, plan.cohorts)
    )
    held_out = simulate_sample(
        calibration_seed,
        plan.calibration_cohorts,
        plan.calibration_clients,
        lambda done: progress("holding out", done, plan.calibration_cohorts),
        network,
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
    risk = Scorer(blend).score(held_out.features, held_out.network_log_odds)
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
        network=network,
    )
