"""Computes thresholds for a false-alarm budget: from a practice's own risks, or from another threshold."""

from collections.abc import Iterable, Sequence
from math import exp, log
from typing import NamedTuple

import numpy as np

from services.detector.domain.reference import Reference

DEFAULT_FALSE_ALARMS = 0.05
"""The share of stable sessions flagged at a model's own threshold."""
_LEAST = 1e-6
"""Stands for a threshold of 0 (and 1 less it for 1), whose log-odds would be infinite."""

MODEL_SESSIONS = 100
"""A model's own threshold weighs as much as a practice's own of this many sessions.

Few sessions leave the practice's own to chance, and the model's is off where a practice differs from those it
was trained on. Chosen on 160 simulated practices that no figure of docs/alerts.md is measured on: the largest
weight with which no requested rate was kept by fewer of them than with the practice's own alone.
"""


def model_threshold(threshold: float, reference: Reference | None, share: float) -> float | None:
    """Return the risk from which a model itself flags `share` (0 to 1) of stable sessions; None: not known.

    `threshold` is the model's own, for `DEFAULT_FALSE_ALARMS`; `reference` knows those for other shares.
    """
    if share == DEFAULT_FALSE_ALARMS:
        return threshold
    return None if reference is None else reference.threshold_for(100 * share)


def shrunk_threshold(own: float, of_model: float | None, sessions: int) -> float:
    """Return a practice's threshold, drawn towards its model's in log-odds, more the fewer sessions it has.

    >>> shrunk_threshold(0.8, 0.2, MODEL_SESSIONS)
    0.5

    Args:
        own: the threshold that the practice's sessions alone give, 0 to 1.
        of_model: of `model_threshold`, between 0 and 1, exclusive; None leaves the own one as it is.
        sessions: the number that the own one rests on.
    """
    if of_model is None:
        return own
    weight = sessions / (sessions + MODEL_SESSIONS)
    inside = min(max(own, _LEAST), 1 - _LEAST)
    log_odds = weight * _log_odds(inside) + (1 - weight) * _log_odds(of_model)
    return round(1 / (1 + exp(-log_odds)), 6)


def _log_odds(risk: float) -> float:
    return log(risk / (1 - risk))


def shifted_threshold(before: float, model_before: float, model_after: float) -> float:
    """Move a practice's threshold to another budget, as far as the model's own moves in log-odds.

    All are risks between 0 and 1, exclusive; the result is rounded to 6 decimals.

    >>> shifted_threshold(0.5, 0.2, 0.2)
    0.5
    """
    own, old, new = map(_log_odds, (before, model_before, model_after))
    return round(1 / (1 + exp(-(own - old + new))), 6)


def threshold_for_false_alarms(risks: Sequence[float], never_flagged: Sequence[float], share: float) -> float:
    """Return the threshold at which `share` of the stable sessions are flagged, by the model's own risks.

    Solves sum((1 - p)[p >= threshold]) / sum(1 - p) = share, where only `risks` can be flagged and the sum in
    the denominator includes `never_flagged`: each session counts as stable with probability 1 - p, so no
    labels are needed. All risks are 0 to 1; the result is rounded to 6 decimals.

    >>> threshold_for_false_alarms([0.1, 0.2, 0.3, 0.9], [], share=0.3)
    0.6
    """
    ordered = np.sort(np.asarray(risks, dtype=np.float64))[::-1]
    total = float(np.sum(1.0 - ordered)) + sum(1.0 - risk for risk in never_flagged)
    flagged = int(np.searchsorted(np.cumsum(1.0 - ordered), share * total, side="right"))
    while 0 < flagged < ordered.size and ordered[flagged - 1] == ordered[flagged]:
        flagged -= 1  # equal risks are flagged together or not at all
    last = ordered[flagged - 1] if flagged else 1.0
    first = ordered[flagged] if flagged < ordered.size else 0.0
    return round(float((last + first) / 2), 6)


class RiskBucket(NamedTuple):
    """The risks (0 to 1) of one bucket of a histogram; a session weighs 1 - risk, as it counts as stable."""

    lowest: float
    highest: float
    weight: float
    """The sum of all its sessions' weights."""
    weight_at_highest: float
    """The sum over those with the highest risk."""


def threshold_of_histogram(buckets: Iterable[RiskBucket], never_flagged: float, share: float) -> float:
    """Return what `threshold_for_false_alarms` returns for the same risks, within a bucket's width.

    `buckets` do not overlap; `never_flagged` is the summed weight of the sessions that cannot be flagged. It
    differs only when some risks of one bucket are flagged and others are not: there, sessions are taken as
    evenly spread over the bucket. The result is rounded to 6 decimals.

    >>> threshold_of_histogram([RiskBucket(0.9, 0.9, 0.1, 0.1), RiskBucket(0.1, 0.3, 2.4, 0.7)], 0, share=0.4)
    0.225
    """
    ordered = sorted(buckets, reverse=True)
    left = share * (never_flagged + sum(bucket.weight for bucket in ordered))
    last = 1.0
    for bucket in ordered:
        if left < bucket.weight_at_highest:
            return round((last + bucket.highest) / 2, 6)
        if left < bucket.weight:
            return round(bucket.highest - (bucket.highest - bucket.lowest) * left / bucket.weight, 6)
        left -= bucket.weight
        last = bucket.lowest
    return round(last / 2, 6)
