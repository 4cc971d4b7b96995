"""A client's own record and the next level in, how far the form lies from it out: means, EWMA, lags.

Numbers named `below_…` rise as the form falls; the others rest on the forms before it alone.
"""

import numpy as np
from numpy.typing import NDArray

from services.detector.features.batch_sum import pairwise_sum
from services.detector.features.observation import Observation

Floats = NDArray[np.float64]
Parts = dict[str, Floats]

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
    "odds": 3,
    "residual": 3,
}
"""Parts of the state; a part that knows nothing yet is NaN where a number would mislead."""

LAGS = WIDTHS["odds"]
"""So many forms before are still seen by their odds."""
UNKNOWN = ("last", "before_last", "mean", "ewma", "component_ewma", "best", "offset")
FAST, SLOW = 0.5, 0.2
_COMPONENT = 0.4
_CUSUM_SLACK = 0.5
_LEAST_SPREAD = 0.03


def start(n: int) -> Parts:
    """The record of n clients without a form."""
    return {name: np.full((w, n), np.nan if name in UNKNOWN else 0.0) for name, w in WIDTHS.items()}


def _mixed(old: Floats, new: Floats, weight: float) -> Floats:
    mixed: Floats = np.where(np.isnan(old), new, weight * new + (1 - weight) * old)
    return mixed


def own_spread(own: Parts) -> Floats:
    """(n,) standard deviation of the client's levels, shrunk to .08 with the weight of two forms."""
    count = own["rated"][0]
    variance = (own["deviations"][0] + 2 * 0.08**2) / (np.maximum(count - 1, 0) + 2)
    spread: Floats = np.maximum(np.sqrt(variance), _LEAST_SPREAD)
    return spread


def compare(own: Parts, seen: Observation, usual: Floats) -> Parts:
    """How the form lies to the client's own record, (n,) each; NaN where nothing is known.

    `usual` (3, n) is the filter's usual bond, goal and task.
    """
    level = np.where(seen.rated, seen.channels[0], np.nan)
    spread = own_spread(own)
    mean, ewma = own["mean"][0], own["ewma"]
    below = mean - level
    parts = usual - seen.components[:3]
    known = np.where(np.isnan(parts), -np.inf, parts)
    worst = known.max(axis=0)
    smoothed = _mixed(own["component_ewma"], seen.components[:3], _COMPONENT)
    overall_usual = pairwise_sum(usual) / 3 + np.nan_to_num(own["offset"][0])
    cusum = np.maximum(own["cusum"][0] + below / spread - _CUSUM_SLACK, 0.0)
    return {
        "below_mean": below,
        "below_mean_in_spreads": below / spread,
        "below_last": own["last"][0] - level,
        "below_before_last": own["before_last"][0] - level,
        "below_best": own["best"][0] - level,
        "below_top": 1.0 - level,
        "below_all_top": 1.0 - seen.top,
        "below_mean_fast": mean - _mixed(ewma[0], level, FAST),
        "below_mean_slow": mean - _mixed(ewma[1], level, SLOW),
        "below_cusum": cusum,
        "below_usual_bond": parts[0],
        "below_usual_goal": parts[1],
        "below_usual_task": parts[2],
        "below_usual_worst": np.where(np.isinf(worst), np.nan, worst),
        "below_usual_smoothed": (usual - smoothed).max(axis=0),
        "below_usual_overall": overall_usual - seen.components[3],
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
        "declined_in_row": own["declined_in_row"][0] + seen.declined,
    }


def record(own: Parts, seen: Observation, compared: Parts, below: Floats, odds: Floats) -> Parts:
    """The record after the form; `below` (n,) deviations under usual, `odds` (n,) from the filter."""
    rated = seen.rated
    level = np.where(rated, seen.channels[0], np.nan)
    count = own["rated"][0] + rated
    old = own["mean"][0]
    mean = np.where(np.isnan(old), level, old + (level - old) / np.maximum(count, 1))
    step = np.where(np.isnan(old), 0.0, (level - old) * (level - mean))
    last = own["last"][0]
    residual = np.clip(below, -3.0, 3.0)
    products = np.stack(
        [
            residual,
            0.95 * own["residual"][1] + residual * own["residual"][0],
            0.95 * own["residual"][2] + residual * residual,
        ]
    )
    move = np.nan_to_num(np.abs(level - last))
    after: Parts = {
        "rated": count,
        "declined": own["declined"][0] + seen.declined,
        "declined_in_row": np.where(rated, 0.0, own["declined_in_row"][0] + seen.declined),
        "squares": own["squares"][0] + seen.squares,
        "items": own["items"][0] + seen.freedom,
        "last": level,
        "before_last": last,
        "mean": mean,
        "deviations": own["deviations"][0] + step,
        "moves": own["moves"][0] + move,
        "ewma": np.stack([_mixed(own["ewma"][0], level, FAST), _mixed(own["ewma"][1], level, SLOW)]),
        "component_ewma": np.where(
            np.isnan(seen.components[:3]),
            own["component_ewma"],
            _mixed(own["component_ewma"], seen.components[:3], _COMPONENT),
        ),
        "cusum": np.nan_to_num(compared["below_cusum"]),
        "best": np.fmax(own["best"][0], level),
        "offset": np.where(
            np.isnan(seen.overall_offset),
            own["offset"][0],
            _mixed(own["offset"][0], seen.overall_offset, 0.3),
        ),
        "residual": products,
    }
    always = {"declined", "declined_in_row"}
    kept = {
        name: np.where(rated | (name in always), part.reshape(own[name].shape), own[name])
        for name, part in after.items()
    }
    kept["odds"] = np.concatenate([odds[None], own["odds"][:2]])
    return kept
