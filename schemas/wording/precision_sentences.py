"""Says how often messages like one were right, where that was counted, and on how many."""

from schemas.events import MessagePrecision, PrecisionSource
from schemas.wording.wording import Wording

_MOST_OF_TEN = 9
"""The highest number of ten messages that is stated: ratings alone cannot make it certain."""


def right_of_ten(precision: MessagePrecision) -> int:
    """Return how many of ten messages were right, 0 to 9."""
    return min(_MOST_OF_TEN, round(10 * precision.right))


def precision_sentence(precision: MessagePrecision, wording: Wording) -> str:
    """Return how many of ten messages like this stood for a lasting change."""
    right = right_of_ten(precision)
    key = f"precision.{_place(precision)}"
    return wording(key, right=right) if right else wording(f"{key}_hardly_any")


def precision_basis(precision: MessagePrecision, wording: Wording) -> str:
    """Return where the figure comes from, with its count and interval."""
    return wording(
        f"precision.{_place(precision)}_basis",
        messages=precision.messages,
        low=round(100 * precision.low),
        high=round(100 * precision.high),
    )


def _place(precision: MessagePrecision) -> str:
    return "practice" if precision.source is PrecisionSource.PRACTICE else "simulated"
