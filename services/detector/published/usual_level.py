"""Computes a client's own usual level of one component, and the range in which its marks usually lie."""

from collections.abc import Sequence
from statistics import median
from typing import NamedTuple

RECENT_FORMS = 8
"""Marks that are looked at, the newest ones."""
LEAST_FORMS = 2
"""With fewer marks there is no usual level."""
_TREND_FORMS = 6
"""Marks from which on a rise can be told from noise."""
_TRIMMED_FORMS = 5
"""Marks from which on the one farthest from the usual level does not widen the range."""


class UsualLevel(NamedTuple):
    """A usual level and its range; both lie within the marks that they were computed from."""

    level: float
    low: float
    high: float


def usual_level(marks: Sequence[float]) -> UsualLevel | None:
    """Return the usual level of marks, oldest first, in whatever unit they have; None when they are too few.

    The level is the median of the last `RECENT_FORMS` marks; of their later half alone when all of it lies
    above the earlier half, as it does for a client whose marks rise. The range holds all of the marks that
    the level was computed from, without the one farthest from it when there are at least five. So one odd
    form changes neither, and a steady client's range is narrow.

    >>> usual_level([0.9, 0.8, 0.9, 0.2, 0.9])
    UsualLevel(level=0.9, low=0.8, high=0.9)
    """
    recent = list(marks[-RECENT_FORMS:])
    if len(recent) < LEAST_FORMS:
        return None
    if len(recent) >= _TREND_FORMS:
        middle = len(recent) // 2
        earlier, later = recent[:middle], recent[middle:]
        recent = later if min(later) > max(earlier) else recent
    level = median(recent)
    if len(recent) >= _TRIMMED_FORMS:
        recent.remove(max(recent, key=lambda mark: abs(mark - level)))
    return UsualLevel(level, min(*recent, level), max(*recent, level))
