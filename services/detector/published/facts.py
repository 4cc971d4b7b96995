"""Finds what a dyad's marks show at one session of an episode: what fell, since when, and how it came down.

Marks are on the scale 0 to 1. The usual level of an episode is the one before it: it is found once, from the
forms up to the session at which the episode opened, and holds for every later change. It comes from the forms
before the first one from which the components that fell have been lower, so the fall is no part of it.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from itertools import pairwise
from statistics import median
from typing import NamedTuple

from schemas.components import Component
from schemas.facts import Shape, Standing
from services.detector.contracts import StatedComponent, StatedEmptyForms, StatedFacts
from services.detector.published.usual_level import LEAST_FORMS, UsualLevel, usual_level

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
CLEAR_DROP = 0.05
"""Less than one mark of one item is no step."""
STEP_SHARE = 0.5
"""A step, or a slide, brings at least this share of the fall."""
SLIDE_FORMS = 4
LEAST_SLIDE_STEPS = 2
LARGEST_SLIDE_STEP = 2 / 3
"""With a larger share of the whole slide in one step down it is none."""
SLIDE_NOISE = 0.15
"""Steps up by less than this share of the whole slide do not interrupt it."""
LOW = 0.25
"""A mark at or under a quarter of the scale is low."""
FIRST_FORMS = 2
FAR_APART = 0.3
"""Two forms with marks farther apart than this show no usual level: the middle is a mark never given."""
SESSIONS_COUNTED = 8
"""Last sessions among which those without a form are counted."""
LASTING_FORMS = 3
_ROUNDING = 1e-6
"""Published marks have 6 decimals, so that shares of them may be off by less than this."""

Marks = Mapping[Component, float]
"""Marks of one form, of the components that have one."""
Usuals = Mapping[Component, UsualLevel]


class SessionMarks(NamedTuple):
    """One session of a dyad."""

    session_at: datetime
    marks: Marks
    """0 to 1, 1 the best; empty when no form was given."""


@dataclass(frozen=True, slots=True)
class _Fall:
    """What fell at the last form, against the usual level before the fall."""

    usual: Usuals
    named: tuple[Component, ...]
    """Those that fell: the deepest first, `overall` after the others; empty when none did."""
    start: int
    """The first form from which all of them have been lower; the number of forms when none fell."""


def find_facts(sessions: Sequence[SessionMarks], opened: int, *, settled: bool = False) -> StatedFacts:
    """Return what the marks show at the last of these sessions.

    Args:
        sessions: of one dyad up to the session that is described, in order.
        opened: how many of them there were when the episode opened, the one at which it did included.
        settled: whether the episode closed at a lower level, so that this level is a fact.

    Returns:
        Facts with marks from 0 to 1; `published_episode` converts them into the instrument's units.
    """
    given = [session for session in sessions if session.marks]
    forms = [session.marks for session in given]
    empty = _empty_forms(sessions)
    if not forms:
        return StatedFacts(Shape.NO_FORM if empty else Shape.UNCLEAR, empty=empty)
    at_opening = sum(1 for session in sessions[:opened] if session.marks)
    fall = _fall(forms, at_opening)
    low = () if fall.named else _low_from_start(forms)
    shape, slide = _shape(forms, fall, low, declined=empty is not None)
    since = given[0].session_at if low else given[fall.start].session_at if fall.named else None
    return StatedFacts(
        shape=shape,
        components=_components(forms, fall, low, settled=settled),
        form_at=given[-1].session_at,
        since=since,
        slide=slide,
        empty=empty,
        forms=len(forms),
    )


def low_from_start(forms: Sequence[Marks]) -> tuple[Component, ...]:
    """Return the components that were low in both of the first two forms given."""
    first = forms[:FIRST_FORMS]
    known = Component if len(first) == FIRST_FORMS else ()
    return tuple(part for part in known if all(form.get(part, 1.0) <= LOW for form in first))


def _low_from_start(forms: Sequence[Marks]) -> tuple[Component, ...]:
    """Return those that have been low from the start to the last form, the lowest first."""
    last = forms[-1]

    def is_low(part: Component) -> bool:
        return last.get(part, 1.0) <= LOW and median(_marks_of(forms, part)) <= LOW

    low = filter(is_low, low_from_start(forms))
    return tuple(sorted(low, key=lambda part: (part is Component.OVERALL, last[part])))


def _marks_of(forms: Sequence[Marks], part: Component) -> list[float]:
    return [form[part] for form in forms if part in form]


def _empty_forms(sessions: Sequence[SessionMarks]) -> StatedEmptyForms | None:
    if not sessions or sessions[-1].marks:
        return None
    counted = sessions[-SESSIONS_COUNTED:]
    empty = sum(1 for session in counted if not session.marks)
    return StatedEmptyForms(sessions[-1].session_at, empty, len(counted))


def _fall(forms: Sequence[Marks], at_opening: int) -> _Fall:
    """Return the fall at the last form, against the usual level before the episode."""
    opening = _fall_at_opening(forms[:at_opening])
    if len(forms) == at_opening:
        return opening
    usual = opening.usual
    if usual and not opening.named:
        # Nothing had fallen when it opened, so all forms up to then were usual.
        usual = _usuals(forms[:at_opening])
    return _fall_below(usual, forms)


def _fall_at_opening(forms: Sequence[Marks]) -> _Fall:
    """Return the fall whose forms differ most clearly from those before it."""
    found = []
    for start in range(len(forms) - 1, max(LEAST_FORMS, len(forms) - LONGEST_FALL) - 1, -1):
        fall = _fall_below(_usuals(forms[:start]), forms)
        if fall.named and fall.start == start:
            found.append(fall)
    if found:
        return min(found, key=lambda fall: _spread(forms, fall.start))
    # No start leaves only usual forms before it. The latest one whose fall can be told from them is taken.
    start = len(forms) - 1
    while start >= LEAST_FORMS:
        fall = _fall_below(_usuals(forms[:start]), forms)
        if fall.start >= start:
            return fall
        start = fall.start
    return _Fall({}, (), len(forms))


def _spread(forms: Sequence[Marks], start: int) -> float:
    """Return how far the forms are from two levels, one before `start` and one from it on."""
    first = max(0, start - 2 * LONGEST_FALL)
    total = 0.0
    for part in Component:
        for marks in (_marks_of(forms[first:start], part), _marks_of(forms[start:], part)):
            if marks:
                total += sum(abs(mark - median(marks)) for mark in marks)
    return total


def _usuals(forms: Sequence[Marks]) -> Usuals:
    found = {part: usual_level(_marks_of(forms, part)) for part in Component}
    known = {part: usual for part, usual in found.items() if usual is not None}
    apart = len(forms) == LEAST_FORMS and any(own.high - own.low > FAR_APART for own in known.values())
    return {} if apart else known


def _fall_below(usual: Usuals, forms: Sequence[Marks]) -> _Fall:
    """Return which components of the last form fell below their usual level, and since when."""
    last = forms[-1]
    falls = {part: own.level - last[part] for part, own in usual.items() if part in last}
    outside = [part for part in falls if last[part] < usual[part].low - _ROUNDING]
    shown = {
        part: fall
        for part, fall in falls.items()
        if fall >= (LEAST_FALL if part in outside else CLEAR_FALL) - _ROUNDING
    }
    if not shown:
        return _Fall(usual, (), len(forms))
    deepest = max(shown.values())
    named = [
        part
        for part, fall in shown.items()
        if fall >= (FELL_SHARE if part in outside else 1.0) * deepest - _ROUNDING
    ]
    named.sort(key=lambda part: (part is Component.OVERALL, -falls[part]))
    start = len(forms) - 1
    for index in range(start - 1, -1, -1):
        marked = [part for part in named if part in forms[index]]
        if not all(_is_lower(forms[index][part], last[part], usual[part]) for part in marked):
            break
        start = index if marked else start
    return _Fall(usual, tuple(named), start)


def _is_lower(mark: float, last: float, usual: UsualLevel) -> bool:
    least = max(LEAST_FALL, LOWER_SHARE * (usual.level - last))
    outside = mark < usual.low - _ROUNDING or last >= usual.low - _ROUNDING
    return outside and usual.level - mark >= least - _ROUNDING


def _shape(
    forms: Sequence[Marks], fall: _Fall, low: Sequence[Component], *, declined: bool
) -> tuple[Shape, tuple[float, ...]]:
    if low:
        return Shape.LOW_FROM_START, ()
    if not fall.named:
        return Shape.NO_FORM if declined else Shape.UNCLEAR, ()
    if _is_step(forms, fall):
        return Shape.STEP, ()
    lead = fall.named[0]
    slide = _slide(_marks_of(forms, lead), fall.usual[lead].level - forms[-1][lead])
    return (Shape.SLIDE, slide) if slide else (Shape.UNCLEAR, ())


def _is_step(forms: Sequence[Marks], fall: _Fall) -> bool:
    """Return whether the form of `start` brought the fall of every component that fell."""

    def dropped(part: Component, share: float, least: float) -> bool:
        before = _marks_of(forms[: fall.start], part)
        after = _marks_of(forms[fall.start :], part)
        depth = fall.usual[part].level - after[-1]
        return bool(before) and before[-1] - after[0] >= max(share * depth, least) - _ROUNDING

    lead, *others = fall.named
    return dropped(lead, STEP_SHARE, CLEAR_DROP) and all(
        dropped(part, LOWER_SHARE, LEAST_FALL) for part in others
    )


def _slide(marks: Sequence[float], depth: float) -> tuple[float, ...]:
    """Return the longest run of last marks that is a slide over most of the depth; empty when none is."""
    for count in range(min(len(marks), LONGEST_FALL), SLIDE_FORMS - 1, -1):
        run = tuple(marks[-count:])
        if run[0] - run[-1] >= STEP_SHARE * depth and _is_slide(run):
            return run
    return ()


def _is_slide(run: Sequence[float]) -> bool:
    whole = run[0] - run[-1]
    steps = [before - after for before, after in pairwise(run)]
    return (
        whole >= 2 * LEAST_FALL
        and min(steps[0], steps[-1]) >= LEAST_FALL - _ROUNDING
        and sum(1 for step in steps if step >= LEAST_FALL - _ROUNDING) >= LEAST_SLIDE_STEPS
        and max(steps) <= LARGEST_SLIDE_STEP * whole + _ROUNDING
        and min(steps) >= -max(SLIDE_NOISE * whole, LEAST_FALL)
    )


def _components(
    forms: Sequence[Marks], fall: _Fall, low: Sequence[Component], *, settled: bool
) -> tuple[StatedComponent, ...]:
    last = forms[-1]
    marked = [part for part in Component if any(part in form for form in forms)]
    ordered = dict.fromkeys([*fall.named, *low, *marked])

    def stated(part: Component) -> StatedComponent:
        usual = None if part in low else fall.usual.get(part)
        standing = Standing.LOW if part in low else _standing(part, last, usual, fall.named)
        lasting = median(_marks_of(forms, part)[-LASTING_FORMS:]) if settled else None
        if usual is None:
            first = None if part in low else _higher_first(forms, part)
            return StatedComponent(part, standing, last.get(part), lasting=lasting, first=first)
        since = {_standing(part, form, usual, ()) for form in forms[fall.start :]}
        back = standing is Standing.HELD and not since <= {Standing.HELD, Standing.UNKNOWN}
        return StatedComponent(part, standing, last.get(part), *usual, lasting=lasting, back=back)

    return tuple(stated(part) for part in ordered)


def _higher_first(forms: Sequence[Marks], part: Component) -> float | None:
    """Return the mark in the first form where the last one is clearly lower."""
    first, mark = forms[0].get(part), forms[-1].get(part)
    fell = first is not None and mark is not None and first - mark >= CLEAR_FALL - _ROUNDING
    return first if fell else None


def _standing(part: Component, last: Marks, usual: UsualLevel | None, named: Sequence[Component]) -> Standing:
    if part in named:
        return Standing.FELL
    if usual is None or part not in last:
        return Standing.UNKNOWN
    mark = last[part]
    if mark < usual.low - _ROUNDING and usual.level - mark >= LEAST_FALL - _ROUNDING:
        return Standing.SOMEWHAT_LOWER
    if mark > usual.high + _ROUNDING and mark - usual.level >= LEAST_FALL - _ROUNDING:
        return Standing.ROSE
    return Standing.HELD
