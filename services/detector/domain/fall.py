"""Finds which components fell at a form, since which form, and from which usual level.

Marks are on the scale 0 to 1, of the forms that were given, oldest first. The usual level comes from the
forms before the first one from which the components that fell have been lower, so the fall is no part of it.
How an episode opens and closes, and what is stated about it, rest on the same fall.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from statistics import median
from typing import NamedTuple

from schemas.components import Component

RECENT_FORMS = 8
"""Marks that are looked at, the newest ones."""
LEAST_FORMS = 2
"""With fewer marks there is no usual level."""
_TREND_FORMS = 6
"""Marks from which on a rise can be told from noise."""
_TRIMMED_FORMS = 5
"""Marks from which on the one farthest from the usual level does not widen the range."""
LEAST_FALL = 0.025
"""A smaller difference is none: it is a tenth of a mark from 1 to 5, and a quarter of a mark from 0 to 10."""
FELL_SHARE = 0.5
"""Beside the deepest component, those fell that did so by at least this share of its fall."""
LOWER_SHARE = 1 / 3
"""A form is lower when it is below the usual level by at least this share of the present fall."""
LONGEST_FALL = 7
"""Forms over which a fall is looked for: the longest published slide has 6. A lower level that has lasted
longer when an episode opens has become the usual one."""
CLEAR_FALL = 0.1
"""A fall that ends within the client's own usual range is one only from this depth on."""
FAR_APART = 0.3
"""Two forms with marks farther apart than this show no usual level: the middle is a mark never given."""
FORMS_READ = 21
"""Forms up to an opening that the fall at it depends on: those in which it may have begun, and before them
those in which its usual level and the distance from it are found."""
LASTING_FORMS = 3
LOW = 0.25
"""A mark at or under a quarter of the scale is low."""
FIRST_FORMS = 2
ROUNDING = 1e-6
"""Published marks have 6 decimals, so that shares of them may be off by less than this."""
_COMPONENTS = tuple(Component)

Marks = Mapping[Component, float]
"""Marks of one form, of the components that have one."""


class UsualLevel(NamedTuple):
    """A usual level and its range; both lie within the marks that they were computed from."""

    level: float
    low: float
    high: float


Usuals = Mapping[Component, UsualLevel]


@dataclass(frozen=True, slots=True)
class Fall:
    """What fell at the last form, against the usual level before the fall."""

    usual: Usuals
    named: tuple[Component, ...]
    """Those that fell: the deepest first, `overall` after the others; empty when none did."""
    start: int
    """The first form from which all of them have been lower; the number of forms when none fell."""


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


def marks_of_part(forms: Sequence[Marks], part: Component) -> list[float]:
    """Return the marks of one component, of the forms that have one."""
    return [form[part] for form in forms if part in form]


def low_from_start(forms: Sequence[Marks]) -> tuple[Component, ...]:
    """Return the components that were low in both of the first two forms given."""
    first = forms[:FIRST_FORMS]
    known = Component if len(first) == FIRST_FORMS else ()
    return tuple(part for part in known if all(form.get(part, 1.0) <= LOW for form in first))


def fall_at_opening(forms: Sequence[Marks]) -> Fall:
    """Return the fall at the last form, which is the last one when an episode opens.

    It depends on the last `FORMS_READ` forms alone, so whoever has these finds the same fall.
    """
    before = max(0, len(forms) - FORMS_READ)
    found = _clearest_fall(forms[before:])
    return replace(found, start=before + found.start)


def usual_of_episode(opening: Fall, forms: Sequence[Marks]) -> Usuals:
    """Return the usual levels that hold for a whole episode, from the fall and the forms at its opening."""
    if opening.usual and not opening.named:
        # Nothing had fallen when it opened, so all forms up to then were usual.
        return usual_levels(forms[-FORMS_READ:])
    return opening.usual


def _clearest_fall(forms: Sequence[Marks]) -> Fall:
    """Return the fall whose forms differ most clearly from those before it."""
    found = []
    for start in range(len(forms) - 1, max(LEAST_FORMS, len(forms) - LONGEST_FALL) - 1, -1):
        fall = fall_below(usual_levels(forms[:start]), forms)
        if fall.named and fall.start == start:
            found.append(fall)
    if found:
        return min(found, key=lambda fall: _spread(forms, fall.start))
    # No start leaves only usual forms before it. The latest one whose fall can be told from them is taken.
    start = len(forms) - 1
    while start >= LEAST_FORMS:
        fall = fall_below(usual_levels(forms[:start]), forms)
        if fall.start >= start:
            return fall
        start = fall.start
    return Fall({}, (), len(forms))


def lasting_level(forms: Sequence[Marks], part: Component) -> float:
    """Return the median of a component's last `LASTING_FORMS` marks; there is at least one."""
    return median(marks_of_part(forms, part)[-LASTING_FORMS:])


def _spread(forms: Sequence[Marks], start: int) -> float:
    """Return how far the forms are from two levels, one before `start` and one from it on."""
    first = max(0, start - 2 * LONGEST_FALL)
    total = 0.0
    for part in _COMPONENTS:
        for marks in (marks_of_part(forms[first:start], part), marks_of_part(forms[start:], part)):
            if marks:
                level = median(marks)
                total += sum(abs(mark - level) for mark in marks)
    # Rounded, so that equal distances are equal on every machine.
    return round(total, 6)


def usual_levels(forms: Sequence[Marks]) -> Usuals:
    """Return the usual level of each component that has one in these forms."""
    found = {part: usual_level(marks_of_part(forms, part)) for part in _COMPONENTS}
    known = {part: usual for part, usual in found.items() if usual is not None}
    apart = len(forms) == LEAST_FORMS and any(own.high - own.low > FAR_APART for own in known.values())
    return {} if apart else known


def fall_below(usual: Usuals, forms: Sequence[Marks]) -> Fall:
    """Return which components of the last form fell below their usual level, and since when."""
    last = forms[-1]
    falls = {part: own.level - last[part] for part, own in usual.items() if part in last}
    outside = [part for part in falls if last[part] < usual[part].low - ROUNDING]
    shown = {
        part: fall
        for part, fall in falls.items()
        if fall >= (LEAST_FALL if part in outside else CLEAR_FALL) - ROUNDING
    }
    if not shown:
        return Fall(usual, (), len(forms))
    deepest = max(shown.values())
    named = [
        part
        for part, fall in shown.items()
        if fall >= (FELL_SHARE if part in outside else 1.0) * deepest - ROUNDING
    ]
    named.sort(key=lambda part: (part is Component.OVERALL, -falls[part]))
    start = len(forms) - 1
    for index in range(start - 1, -1, -1):
        marked = [part for part in named if part in forms[index]]
        if not all(_is_lower(forms[index][part], last[part], usual[part]) for part in marked):
            break
        start = index if marked else start
    return Fall(usual, tuple(named), start)


def _is_lower(mark: float, last: float, usual: UsualLevel) -> bool:
    least = max(LEAST_FALL, LOWER_SHARE * (usual.level - last))
    outside = mark < usual.low - ROUNDING or last >= usual.low - ROUNDING
    return outside and usual.level - mark >= least - ROUNDING
