"""A classifier and a cohort in, how well each of its parts would order the sessions alone out."""

from dataclasses import dataclass

import numpy as np

from lab.evaluation.metrics import ranking
from lab.simulator.cohort import Cohort
from lab.training.cohort_features import fold_cohort
from services.detector.features.extractor import FEATURES, FeatureExtractor
from services.detector.model.classifier import Blend, Classifier


@dataclass(frozen=True, slots=True)
class Parts:
    """Areas under the precision-recall curve."""

    filter_alone: float
    trees_alone: float
    deviations_alone: float
    """Of the level's distance from the client's usual one, in standard deviations: neither of the two."""


def parts(classifier: Classifier, cohort: Cohort) -> Parts | None:
    """What the parts of a blend reach; None where the classifier is none."""
    if not isinstance(classifier, Blend):
        return None
    rows = fold_cohort(FeatureExtractor(), cohort)
    at = FEATURES.index("below_usual_in_deviations")
    # Declined forms have no level: nothing is said of them, as by a rule.
    deviations = np.nan_to_num(rows.features[:, at], nan=-np.inf)
    return Parts(
        filter_alone=ranking(rows.rupture, rows.features[:, classifier.log_odds_index]).auprc,
        trees_alone=ranking(rows.rupture, classifier.trees.decision_function(rows.features)).auprc,
        deviations_alone=ranking(rows.rupture, deviations).auprc,
    )
