"""Chooses the threshold that applies to a session, and computes thresholds for a false-alarm budget.

A practice's thresholds are only ever added, each valid from a time after it was computed; so a session takes
the same one whenever it arrives or is replayed.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from math import exp, log

import numpy as np

from services.detector.domain.dated_rows import row_at

DEFAULT_FALSE_ALARMS = 0.05
"""The share of stable sessions flagged at a model's own threshold."""


@dataclass(frozen=True, slots=True)
class Threshold:
    """The risk from which a session is flagged; `version` identifies where it comes from."""

    version: str
    value: float
    valid_from: datetime | None = None
    """None: the model's own, always valid."""


def default_threshold(model_version: str, value: float) -> Threshold:
    """Return the model's own threshold, which applies until a practice has one."""
    return Threshold(f"default-{model_version}", value)


def threshold_at(
    rows: Sequence[Threshold], default: Threshold, session_at: datetime, accepted_at: datetime
) -> Threshold:
    """Return the row valid at the session, or when its rating was accepted if that was earlier.

    `rows` are in the order of `valid_from`; before the first one `default` applies.

    >>> from datetime import UTC
    >>> own, day = Threshold("own-1", 0.4, datetime(2026, 1, 5, tzinfo=UTC)), datetime(2026, 1, 6, tzinfo=UTC)
    >>> threshold_at([own], default_threshold("m1", 0.5), day, day).version
    'own-1'
    """
    return (row_at(rows, session_at, accepted_at) if rows else None) or default


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
