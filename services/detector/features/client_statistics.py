"""Keeps running statistics of a client's levels (means, EWMA, CUSUM, lags) and compares a form with them.

Statistics named `below_…` increase as the form falls; the others depend on the forms before it only.
"""

import numpy as np
from numpy.typing import NDArray

from services.detector.features.batch_sum import pairwise_sum
from services.detector.features.observation import Observation

Floats = NDArray[np.float64]
Statistics = dict[str, Floats]

WIDTHS = {
    "rated": 1,
    "declined": 1,
    "declined_in_row": 1,
    "squares": 1,
    "items": 1,
    "last": 1,
    "before_last": 1,
    "mean": 1,
    "deviations": 1,
    "moves": 1,
    "ewma": 2,
    "component_ewma": 3,
    "cusum": 1,
    "best": 1,
    "offset": 1,
    "log_odds": 3,
    "residual": 3,
}
"""The statistics and their widths, in the order of the state."""

LAGS = WIDTHS["log_odds"]
"""Number of earlier forms whose log-odds are kept."""
UNKNOWN = ("last", "before_last", "mean", "ewma", "component_ewma", "best", "offset")
"""Statistics that begin as NaN, because a number would mislead."""
FAST, SLOW = 0.5, 0.2
_COMPONENT_WEIGHT = 0.4
_OFFSET_WEIGHT = 0.3
_CUSUM_SLACK = 0.5
_LEAST_SPREAD = 0.03
_ALSO_WHEN_DECLINED = frozenset({"declined", "declined_in_row"})
"""Statistics that change at a declined form, too."""


def start(n: int) -> Statistics:
    """Return the statistics of n clients without a form."""
    return {name: np.full((w, n), np.nan if name in UNKNOWN else 0.0) for name, w in WIDTHS.items()}


def own_spread(own: Statistics) -> Floats:
    """Return the standard deviation (n,) of the client's levels, shrunk to .08 by two forms' weight."""
    count = own["rated"][0]
    variance = (own["deviations"][0] + 2 * 0.08**2) / (np.maximum(count - 1, 0) + 2)
    spread: Floats = np.maximum(np.sqrt(variance), _LEAST_SPREAD)
    return spread


def compare(own: Statistics, observation: Observation, baseline: Floats) -> Statistics:
    """Return how the form compares with the client's statistics, each (n,); NaN where it is not known.

    Args:
        own: the statistics before the form.
        observation: the form.
        baseline: (3, n) the filter's baseline of bond, goal and task.
    """
    level = np.where(observation.rated, observation.channels[0], np.nan)
    spread = own_spread(own)
    mean, ewma = own["mean"][0], own["ewma"]
    below = mean - level
    components = baseline - observation.components[:3]
    known = np.where(np.isnan(components), -np.inf, components)
    worst = known.max(axis=0)
    smoothed = _ewma(own["component_ewma"], observation.components[:3], _COMPONENT_WEIGHT)
    overall_baseline = pairwise_sum(baseline) / 3 + np.nan_to_num(own["offset"][0])
    cusum = np.maximum(own["cusum"][0] + below / spread - _CUSUM_SLACK, 0.0)
    return {
        "below_mean": below,
        "below_mean_in_spreads": below / spread,
        "below_last": own["last"][0] - level,
        "below_before_last": own["before_last"][0] - level,
        "below_best": own["best"][0] - level,
        "below_top": 1.0 - level,
        "below_all_top": 1.0 - observation.top,
        "below_mean_fast": mean - _ewma(ewma[0], level, FAST),
        "below_mean_slow": mean - _ewma(ewma[1], level, SLOW),
        "below_cusum": cusum,
        "below_usual_bond": components[0],
        "below_usual_goal": components[1],
        "below_usual_task": components[2],
        "below_usual_worst": np.where(np.isinf(worst), np.nan, worst),
        "below_usual_smoothed": (baseline - smoothed).max(axis=0),
        "below_usual_overall": overall_baseline - observation.components[3],
        "own_spread": spread,
        "mean_before": mean,
        "last_below_mean": mean - own["last"][0],
        "ewma_below_mean": mean - ewma[0],
        "cusum_before": own["cusum"][0],
        "best_above_mean": own["best"][0] - mean,
        "carry": own["residual"][1] / (own["residual"][2] + 2.0),
        "moves_in_spreads": own["moves"][0] / (np.maximum(own["rated"][0] - 1, 1) * spread),
        "rated_before": own["rated"][0],
        "declined_before": own["declined"][0] / (own["declined"][0] + own["rated"][0] + 4.0),
        "declined_in_row": own["declined_in_row"][0] + observation.declined,
    }


def update(
    own: Statistics, observation: Observation, compared: Statistics, below: Floats, log_odds: Floats
) -> Statistics:
    """Return the statistics after the form.

    Args:
        own: the statistics before it.
        observation: the form.
        compared: the result of `compare`.
        below: (n,) standard deviations that the level is below the baseline.
        log_odds: (n,) of a rupture, from the filter.
    """
    rated = observation.rated
    level = np.where(rated, observation.channels[0], np.nan)
    count = own["rated"][0] + rated
    old = own["mean"][0]
    mean = np.where(np.isnan(old), level, old + (level - old) / np.maximum(count, 1))
    # Welford's update of the sum of squared deviations.
    deviation = np.where(np.isnan(old), 0.0, (level - old) * (level - mean))
    last = own["last"][0]
    residual = np.clip(below, -3.0, 3.0)
    residuals = np.stack(
        [
            residual,
            0.95 * own["residual"][1] + residual * own["residual"][0],
            0.95 * own["residual"][2] + residual * residual,
        ]
    )
    move = np.nan_to_num(np.abs(level - last))
    after: Statistics = {
        "rated": count,
        "declined": own["declined"][0] + observation.declined,
        "declined_in_row": np.where(rated, 0.0, own["declined_in_row"][0] + observation.declined),
        "squares": own["squares"][0] + observation.squares,
        "items": own["items"][0] + observation.freedom,
        "last": level,
        "before_last": last,
        "mean": mean,
        "deviations": own["deviations"][0] + deviation,
        "moves": own["moves"][0] + move,
        "ewma": np.stack([_ewma(own["ewma"][0], level, FAST), _ewma(own["ewma"][1], level, SLOW)]),
        "component_ewma": np.where(
            np.isnan(observation.components[:3]),
            own["component_ewma"],
            _ewma(own["component_ewma"], observation.components[:3], _COMPONENT_WEIGHT),
        ),
        "cusum": np.nan_to_num(compared["below_cusum"]),
        "best": np.fmax(own["best"][0], level),
        "offset": np.where(
            np.isnan(observation.overall_offset),
            own["offset"][0],
            _ewma(own["offset"][0], observation.overall_offset, _OFFSET_WEIGHT),
        ),
        "residual": residuals,
    }
    statistics = {
        name: np.where(rated | (name in _ALSO_WHEN_DECLINED), part.reshape(own[name].shape), own[name])
        for name, part in after.items()
    }
    statistics["log_odds"] = np.concatenate([log_odds[None], own["log_odds"][: LAGS - 1]])
    return statistics


def _ewma(old: Floats, new: Floats, weight: float) -> Floats:
    """Return the exponentially weighted mean after `new`, which is `new` itself where `old` is NaN."""
    mean: Floats = np.where(np.isnan(old), new, weight * new + (1 - weight) * old)
    return mean
