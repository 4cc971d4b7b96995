"""Measures how well each part of the classifier alone orders sessions by risk."""

from dataclasses import dataclass

import numpy as np

from lab.evaluation.metrics import ranking
from lab.simulator.cohort import Cohort
from lab.training.cohort_features import fold_cohort
from services.detector.features.extractor import FEATURES, FeatureExtractor
from services.detector.model.classifier import Blend, Classifier


@dataclass(frozen=True, slots=True)
class PartScores:
    """Areas under the precision-recall curve of three scores."""

    filter_alone: float
    """The filter's log-odds."""
    trees_alone: float
    """The trees' log-odds."""
    deviations_alone: float
    """How far the level is below the client's baseline, in standard deviations; uses neither of the two."""


def part_scores(classifier: Classifier, cohort: Cohort) -> PartScores | None:
    """Return the scores of a blend's parts on a cohort; None for any other classifier."""
    if not isinstance(classifier, Blend):
        return None
    rows = fold_cohort(FeatureExtractor(), cohort)
    column = FEATURES.index("below_usual_in_deviations")
    # Declined forms have no level; like the rules, this score never flags them.
    deviations = np.nan_to_num(rows.features[:, column], nan=-np.inf)
    return PartScores(
        filter_alone=ranking(rows.rupture, rows.features[:, classifier.log_odds_index]).auprc,
        trees_alone=ranking(rows.rupture, classifier.trees.decision_function(rows.features)).auprc,
        deviations_alone=ranking(rows.rupture, deviations).auprc,
    )
