"""Computes thresholds for a false-alarm budget: from a practice's own risks, or from another threshold."""

from collections.abc import Iterable, Sequence
from math import exp, log
from typing import NamedTuple

import numpy as np

DEFAULT_FALSE_ALARMS = 0.05
"""The share of stable sessions flagged at a model's own threshold."""


def shifted_threshold(before: float, model_before: float, model_after: float) -> float:
    """Move a practice's threshold to another budget, as far as the model's own moves in log-odds.

    All are risks between 0 and 1, exclusive; the result is rounded to 6 decimals.

    >>> shifted_threshold(0.5, 0.2, 0.2)
    0.5
    """
    own, old, new = (log(value / (1 - value)) for value in (before, model_before, model_after))
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
