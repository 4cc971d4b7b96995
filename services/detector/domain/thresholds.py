"""A practice's own thresholds and a session's times in, the threshold that counts there out.

Rows are only ever added, each valid from a moment after it was computed; so whichever row a session takes, it
takes the same one whenever it arrives or is replayed.
"""

from bisect import bisect_right
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from math import exp, log

import numpy as np

DEFAULT_FALSE_ALARMS = 0.05
"""The share that a model's own threshold is chosen for."""


@dataclass(frozen=True, slots=True)
class Threshold:
    """The risk from which on a session is flagged; `version` names where it comes from."""

    version: str
    value: float
    valid_from: datetime | None = None
    """None: the model's own, valid always."""


def default_threshold(model_version: str, value: float) -> Threshold:
    """The model's own threshold: until a practice has one."""
    return Threshold(f"default-{model_version}", value)


def threshold_at(
    rows: Sequence[Threshold], default: Threshold, session_at: datetime, accepted_at: datetime
) -> Threshold:
    """The row valid at the session, or when its rating was accepted if that was earlier.

    `rows` are in the order of `valid_from`.
    """
    if not rows:
        return default
    at = min(session_at, accepted_at)
    index = bisect_right(rows, at, key=lambda row: row.valid_from or at)
    return rows[index - 1] if index else default


def shifted_threshold(before: float, model_before: float, model_after: float) -> float:
    """A practice's threshold for another budget: moved as far as the model's own, on the log-odds scale."""
    odds = [log(value / (1 - value)) for value in (before, model_before, model_after)]
    return round(1 / (1 + exp(-(odds[0] - odds[1] + odds[2]))), 6)


def threshold_for_false_alarms(risks: Sequence[float], never_flagged: Sequence[float], share: float) -> float:
    """The threshold at which `share` of the stable sessions are flagged, by the model's own risks.

    Solves sum((1 - p)[p >= threshold]) / sum(1 - p) = share, where only `risks` can be flagged and the sum
    below is over `never_flagged` too: each session counts as stable with probability 1 - p, so no labels
    are needed. All risks are 0 to 1; the answer is rounded to 6 decimals.
    """
    ordered = np.sort(np.asarray(risks, dtype=np.float64))[::-1]
    total = float(np.sum(1.0 - ordered)) + sum(1.0 - risk for risk in never_flagged)
    flagged = int(np.searchsorted(np.cumsum(1.0 - ordered), share * total, side="right"))
    while 0 < flagged < ordered.size and ordered[flagged - 1] == ordered[flagged]:
        flagged -= 1  # equal risks are flagged together or not at all
    last = ordered[flagged - 1] if flagged else 1.0
    first = ordered[flagged] if flagged < ordered.size else 0.0
    return round(float((last + first) / 2), 6)
