"""Measures how well each part of the classifier alone orders sessions by risk."""

from dataclasses import dataclass

import numpy as np

from lab.evaluation.metrics import ranking
from lab.simulator.cohort import Cohort
from lab.training.cohort_features import fold_cohort
from services.detector.features.extractor import FEATURES, FeatureExtractor
from services.detector.model.classifier import Blend, NetworkBlend
from services.detector.model.trained_detector import TrainedDetector


@dataclass(frozen=True, slots=True)
class PartScores:
    """Areas under the precision-recall curve of the scores of a model's parts."""

    filter_alone: float
    """The filter's log-odds."""
    trees_alone: float
    """The trees' log-odds."""
    deviations_alone: float
    """How far the level is below the client's baseline, in standard deviations; uses neither of the two."""
    network_alone: float | None = None
    """The network's log-odds; None: the model has none."""


def part_scores(detector: TrainedDetector, cohort: Cohort) -> PartScores | None:
    """Return the scores of a blend's parts on a cohort; None for any other classifier."""
    classifier = detector.classifier
    if not isinstance(classifier, Blend | NetworkBlend):
        return None
    rows = fold_cohort(FeatureExtractor(), cohort, detector.network)
    column = FEATURES.index("below_usual_in_deviations")
    # Declined forms have no level; like the rules, this score never flags them.
    deviations = np.nan_to_num(rows.features[:, column], nan=-np.inf)
    network = rows.network_log_odds
    return PartScores(
        filter_alone=ranking(rows.rupture, rows.features[:, classifier.log_odds_index]).auprc,
        trees_alone=ranking(rows.rupture, classifier.trees.decision_function(rows.features)).auprc,
        deviations_alone=ranking(rows.rupture, deviations).auprc,
        network_alone=None if network is None else ranking(rows.rupture, network).auprc,
    )
