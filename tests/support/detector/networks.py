"""Makes networks with random weights for tests and benchmarks."""

from typing import Any

import numpy as np
from numpy.typing import NDArray

from services.detector.features.practice_statistics import STATISTICS
from services.detector.model.artefact import detector_of
from services.detector.model.classifier import Blend, NetworkBlend
from services.detector.model.network_file import network_of
from services.detector.model.network_inputs import INPUTS, LEVEL, TOP
from services.detector.model.trained_detector import TrainedDetector

Arrays = dict[str, NDArray[Any]]


def random_arrays(seed: int, units: int = 16, head_units: int = 8) -> Arrays:
    """Return the arrays of a network with random weights of the right signs."""
    rng = np.random.default_rng(seed)
    k, heads = len(INPUTS), 3 * head_units

    def weights(*shape: int) -> NDArray[Any]:
        return np.asarray(rng.normal(0.0, 0.3, shape))

    def positive(*shape: int) -> NDArray[Any]:
        return np.asarray(np.abs(weights(*shape)))

    head_x = weights(k, heads)
    head_x[[LEVEL, TOP], : 2 * head_units] = 0.0
    return {
        "w": weights(k, 3 * units),
        "u": weights(units, 3 * units),
        "b": weights(3 * units),
        "c": weights(units),
        "head_h": weights(units, heads),
        "head_x": head_x,
        "head_b": weights(heads),
        "m_level": positive(head_units),
        "m_top": positive(head_units),
        "m_value": positive(head_units),
        "f_value": weights(head_units),
        "level_weight": positive(),
        "top_weight": positive(),
        "bias": weights(),
        "g_value": weights(head_units, 3),
        "g_bias": weights(3),
        "statistics_mean": rng.uniform(-0.5, 0.5, len(STATISTICS)),
        "statistics_sd": rng.uniform(0.1, 0.5, len(STATISTICS)),
    }


def network_blend(base: TrainedDetector) -> NetworkBlend:
    """Return a blend of a model's trees and filter with a network."""
    blend = base.classifier
    assert isinstance(blend, Blend | NetworkBlend)
    return NetworkBlend(blend.trees, blend.log_odds_index, (0.4, 0.2, 0.5, -0.5))


def with_random_network(
    base: TrainedDetector, seed: int, units: int = 16, head_units: int = 8
) -> TrainedDetector:
    """Return a detector of a model's trees and filter and of a network with random weights."""
    return detector_of(
        network_blend(base),
        f"random-{seed}",
        base.threshold,
        network_of(random_arrays(seed, units, head_units)),
    )
