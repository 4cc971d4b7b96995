"""States how often messages of one kind were right, in simulated practices or by a practice's own answers."""

from collections.abc import Mapping
from math import sqrt
from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field

from schemas.components import Component
from schemas.events import Answer, Change
from schemas.facts import Shape, Standing
from schemas.message_precision import PrecisionSource
from services.detector.contracts import StatedFacts, StatedPrecision

MIN_ANSWERS = 50
"""A practice's own answers about one kind of message are stated from this number on."""
TOLD = frozenset({Change.OPENED, Change.DEEPENED})
"""The changes with which a therapist is asked to look."""
RUPTURE_BY_ANSWER = {Answer.DISCUSSED: True, Answer.NOT_RELEVANT: False, Answer.OUTSIDE_EVENT: False}
"""Whether an answer says that there was a rupture; the other answers say nothing."""

_PARTS = frozenset({Component.BOND, Component.GOAL, Component.TASK})
_WHOLE = frozenset({Shape.NO_FORM, Shape.LOW_FROM_START})
"""Shapes that are one kind whatever they name: they are rare, and the first names nothing."""
_Z = 1.6449
"""Quantile of the normal distribution for a two-sided interval of 90 %."""
_DIGITS = 4

_Share = Annotated[float, Field(ge=0, le=1)]


class MeasuredPrecision(BaseModel):
    """How often messages of one kind were right."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    right: _Share
    """The share of them at whose session a rupture was under way."""
    low: _Share
    """The lower end of the 90 % interval of `right`."""
    high: _Share
    messages: Annotated[int, Field(ge=1)]
    """The number of messages that were counted."""


AnswersByKind = Mapping[str, tuple[int, int]]
"""By kind of message: how many answers saw a rupture, and how many answers there are."""


def kinds_of(facts: StatedFacts) -> tuple[str, str]:
    """Return the kind of a message, and the wider one for when there are too few of it.

    The kind is the shape and how many of bond, goal and task fell; the wider one is the shape.

    >>> from services.detector.contracts import StatedComponent
    >>> fell = StatedComponent(Component.GOAL, Standing.FELL)
    >>> kinds_of(StatedFacts(Shape.STEP, (fell, StatedComponent(Component.BOND, Standing.HELD))))
    ('step, one', 'step')
    """
    shape = facts.shape.value
    if facts.shape in _WHOLE:
        return shape, shape
    fell = {one.component for one in facts.components if one.standing is Standing.FELL}
    count = len(fell & _PARTS)
    if not fell:
        extent = "none"
    elif count == len(_PARTS):
        extent = "all"
    else:
        extent = "several" if count > 1 else "one"
    return f"{shape}, {extent}", shape


def stated_precision(
    facts: StatedFacts, own: AnswersByKind, measured: Mapping[str, MeasuredPrecision]
) -> StatedPrecision | None:
    """Return how often messages like the one of these facts were right; None when nobody measured that.

    Args:
        facts: of the message.
        own: the answers of its practice; those of a kind are stated once there are `MIN_ANSWERS`.
        measured: by kind, in simulated practices.
    """
    kind, wider = kinds_of(facts)
    right, answers = own.get(kind, (0, 0))
    if answers >= MIN_ANSWERS:
        return _stated(wilson(right, answers), PrecisionSource.PRACTICE)
    found = measured.get(kind) or measured.get(wider)
    return None if found is None else _stated(found, PrecisionSource.SIMULATED)


def _stated(found: MeasuredPrecision, source: PrecisionSource) -> StatedPrecision:
    return StatedPrecision(found.right, found.low, found.high, found.messages, source)


def wilson(right: int, messages: int) -> MeasuredPrecision:
    """Return the share with its 90 % interval (Wilson 1927), for at least one message.

    >>> wilson(30, 50)
    MeasuredPrecision(right=0.6, low=0.4837, high=0.706, messages=50)
    """
    share = right / messages
    weight = _Z**2 / messages
    middle = (share + weight / 2) / (1 + weight)
    half = _Z / (1 + weight) * sqrt(share * (1 - share) / messages + weight / messages / 4)
    return MeasuredPrecision(
        right=round(share, _DIGITS),
        low=round(max(0.0, middle - half), _DIGITS),
        high=round(min(1.0, middle + half), _DIGITS),
        messages=messages,
    )
