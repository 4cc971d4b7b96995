"""Extracts from an assessment what the fold of episodes reads of one session.

Two kinds of session are never flagged for their risk: one of a client with fewer than `EARLY_RATINGS`
ratings, unless the marks themselves are very low (the client's baseline is not known yet), and one with high,
flat marks (nothing moved).
"""

from collections.abc import Mapping, Sequence
from math import isnan
from typing import NamedTuple

from schemas.components import Component
from schemas.instruments.instrument import Instrument
from schemas.instruments.scoring import from_units
from schemas.rating_order import SessionOrder
from services.detector.contracts import unpack_numbers
from services.detector.domain.assessment import DIGITS, Assessment

EARLY_RATINGS = 3
VERY_LOW = 0.4
"""A level of at most this is very low: 2.6 standard deviations below the mean client (.745, SD .13)."""
HIGH = 0.8
FLAT = 0.05
"""A form is flat when no component is this much below the baseline: less than one mark of one item."""
NEAR = 0.05
MOST_NEAR = 0.09
"""A component is near its usual level again when it is at most half of its fall below it (or `NEAR`, if that
is more), and in no case more than `MOST_NEAR`; all on the scale 0 to 1."""

_KEPT_UNITS = 10**DIGITS
_ORDER = tuple(Component)

KeptMarks = tuple[int | None, ...]
"""One form's marks in millionths, exact and small to store, in the order of `Component`."""


class ComponentMark(NamedTuple):
    """A component's mark in one form, and this client's baseline just before it, both 0 to 1."""

    component: Component
    mark: float
    usual: float | None
    """None when it is not known."""


class SessionRisk(NamedTuple):
    """One session as the fold reads it; all of it can be read back from what is stored of the session."""

    order: SessionOrder
    risk: float
    threshold: float
    may_flag: bool
    level: float | None
    """Mean mark, 0 to 1; None when no form was given."""
    ratings: int = 0
    """Rated forms of the dyad up to and including this one."""
    marks: tuple[ComponentMark, ...] = ()
    """Those of the form; empty when none was given."""
    leading: Component | None = None
    """The component with the greatest part of the risk."""


def may_flag(assessment: Assessment) -> bool:
    """Return whether the session of this assessment may be flagged for its risk, however high."""
    if assessment.ratings < EARLY_RATINGS:
        return assessment.level <= VERY_LOW  # False for a level that is NaN
    return not (assessment.level >= HIGH and _largest_drop(assessment) < FLAT)


def _largest_drop(assessment: Assessment) -> float:
    drops = [part.baseline - part.score for part in assessment.components.values()]
    return max((drop for drop in drops if not isnan(drop)), default=0.0)


def session_risk(order: SessionOrder, assessment: Assessment, threshold: float) -> SessionRisk:
    """Return what the fold needs of an assessed session."""
    return SessionRisk(
        order,
        assessment.risk,
        threshold,
        may_flag(assessment),
        None if isnan(assessment.level) else assessment.level,
        assessment.ratings,
        tuple(
            ComponentMark(component, found.score, None if isnan(found.baseline) else found.baseline)
            for component, found in assessment.components.items()
            if not isnan(found.score)
        ),
        assessment.leading,
    )


def stored_session_risk(known: SessionRisk, numbers: bytes, instrument: Instrument) -> SessionRisk:
    """Complete what is stored in columns with what was published of the session: `contracts.Numbers`, packed.

    The result equals what `session_risk` returned when the session was assessed.
    """
    published = unpack_numbers(numbers)

    def share(mark: float) -> float:
        return round(from_units(instrument, mark), DIGITS)

    marks = tuple(
        ComponentMark(component, share(score), None if usual is None else share(usual))
        for component, (_, score, usual, _) in published.components.items()
        if score is not None
    )
    return known._replace(ratings=published.ratings, marks=marks, leading=published.leading)


def deepest_fall(marks: Sequence[ComponentMark]) -> float:
    """Return how far the component that fell most is below its usual level; 0 if none is lower."""
    return max((fall for fall in _falls(marks).values() if fall > 0), default=0.0)


def near_usual(marks: Sequence[ComponentMark], leading: Component | None) -> dict[Component, float]:
    """Return the components that are below the model's baseline, each with the mark from which on it is near.

    These are the leading one and those that fell by at least half of the deepest fall; none whose usual level
    is not known.
    """
    falls, deepest = _falls(marks), deepest_fall(marks)
    return {
        each.component: near_level(each.usual, falls[each.component])
        for each in marks
        if each.usual is not None and (each.component is leading or 0 < deepest <= 2 * falls[each.component])
    }


def near_level(usual: float, fall: float) -> float:
    """Return the mark from which on a component that fell is near its usual level again."""
    return round(usual - min(max(fall / 2, NEAR), MOST_NEAR), DIGITS)


def keep_marks(marks: Sequence[ComponentMark]) -> KeptMarks:
    """Return the marks of a form as the fold's state keeps them."""
    found = {each.component: round(each.mark * _KEPT_UNITS) for each in marks}
    return tuple(map(found.get, _ORDER))


def kept_marks(kept: KeptMarks) -> dict[Component, float]:
    """Return the marks of a form that was kept, 0 to 1."""
    found = zip(_ORDER, kept, strict=False)
    return {component: mark / _KEPT_UNITS for component, mark in found if mark is not None}


def _falls(marks: Sequence[ComponentMark]) -> Mapping[Component, float]:
    # Rounded, so that .85 - .70 is .15 on every machine.
    return {each.component: round(each.usual - each.mark, DIGITS) for each in marks if each.usual is not None}
