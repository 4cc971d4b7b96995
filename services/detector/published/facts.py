"""Finds what a dyad's marks show at one session of an episode: what fell, since when, and how it came down.

Marks are on the scale 0 to 1. The usual level of an episode is the one before it: it is found once, from the
forms up to the session at which the episode opened (`fall_at_opening`), and holds for every later change.
"""

from collections.abc import Sequence
from datetime import datetime
from itertools import pairwise
from statistics import median
from typing import NamedTuple

from msgspec.structs import replace

from schemas.components import Component
from schemas.facts import Shape, Standing
from services.detector.contracts import StatedComponent, StatedEmptyForms, StatedFacts
from services.detector.domain.fall import (
    CLEAR_FALL,
    FIRST_FORMS,
    LEAST_FALL,
    LONGEST_FALL,
    LOW,
    LOWER_SHARE,
    ROUNDING,
    Fall,
    Marks,
    UsualLevel,
    fall_at_opening,
    fall_below,
    lasting_level,
    low_from_start,
    marks_of_part,
    usual_of_episode,
)

CLEAR_DROP = 0.05
"""Less than one mark of one item is no step, and beside an empty form a slight fall."""
STEP_SHARE = 0.5
"""A step, or a slide, brings at least this share of the fall."""
SLIDE_FORMS = 4
LEAST_SLIDE_STEPS = 2
LARGEST_SLIDE_STEP = 2 / 3
"""With a larger share of the whole slide in one step down it is none."""
SLIDE_NOISE = 0.15
"""Steps up by less than this share of the whole slide do not interrupt it."""
SESSIONS_COUNTED = 8
"""Last sessions among which those without a form are counted."""


class SessionMarks(NamedTuple):
    """One session of a dyad."""

    session_at: datetime
    marks: Marks
    """0 to 1, 1 the best; empty when no form was given."""


def find_facts(sessions: Sequence[SessionMarks], opened: int, *, settled: bool = False) -> StatedFacts:
    """Return what the marks show at the last of these sessions.

    Args:
        sessions: of one dyad up to the session that is described, in order.
        opened: how many of them there were when the episode opened, the one at which it did included.
        settled: whether the episode closed at a lower level, so that this level is a fact.

    Returns:
        Facts with marks from 0 to 1; `events.facts_in_units` converts them into the instrument's units.
    """
    given = [session for session in sessions if session.marks]
    forms = [session.marks for session in given]
    empty = _empty_forms(sessions)
    if not forms:
        return StatedFacts(Shape.NO_FORM if empty else Shape.UNCLEAR, empty=empty)
    at_opening = sum(1 for session in sessions[:opened] if session.marks)
    fall = _fall(forms, at_opening)
    low = () if fall.named else _low_from_start(forms)
    shape, marks = _shape(forms, fall, low, declined=empty is not None)
    components = _components(forms, fall, low, settled=settled)
    if empty is not None and fall.named and _is_slight(forms[-1], fall):
        empty = replace(empty, lead=all(part.first is None for part in components))
    since = given[0].session_at if low else given[fall.start].session_at if fall.named else None
    return StatedFacts(
        shape=shape,
        components=components,
        form_at=given[-1].session_at,
        since=since,
        slide=marks if shape is Shape.SLIDE else (),
        began=marks if shape is Shape.UNCLEAR else (),
        empty=empty,
        forms=len(forms),
    )


def _low_from_start(forms: Sequence[Marks]) -> tuple[Component, ...]:
    """Return those that have been low from the start to the last form, the lowest first."""
    last = forms[-1]

    def is_low(part: Component) -> bool:
        return last.get(part, 1.0) <= LOW and median(marks_of_part(forms, part)) <= LOW

    low = filter(is_low, low_from_start(forms))
    return tuple(sorted(low, key=lambda part: (part is Component.OVERALL, last[part])))


def _empty_forms(sessions: Sequence[SessionMarks]) -> StatedEmptyForms | None:
    if not sessions or sessions[-1].marks:
        return None
    counted = sessions[-SESSIONS_COUNTED:]
    empty = sum(1 for session in counted if not session.marks)
    return StatedEmptyForms(sessions[-1].session_at, empty, len(counted))


def _is_slight(last: Marks, fall: Fall) -> bool:
    """Return whether all that fell did so by less than a clear drop, or within the client's own range."""
    return all(
        own.level - last[part] < CLEAR_DROP - ROUNDING or last[part] >= own.low - ROUNDING
        for part, own in ((part, fall.usual[part]) for part in fall.named)
    )


def _fall(forms: Sequence[Marks], at_opening: int) -> Fall:
    """Return the fall at the last form, against the usual level before the episode."""
    opening = fall_at_opening(forms[:at_opening])
    if len(forms) == at_opening:
        return opening
    return fall_below(usual_of_episode(opening, forms[:at_opening]), forms)


def _shape(
    forms: Sequence[Marks], fall: Fall, low: Sequence[Component], *, declined: bool
) -> tuple[Shape, tuple[float, ...]]:
    """Return how the components came down, and the marks of a slide or of the forms that it came back to."""
    if low:
        return Shape.LOW_FROM_START, ()
    if not fall.named:
        return Shape.NO_FORM if declined else Shape.UNCLEAR, ()
    if _is_step(forms, fall):
        return Shape.STEP, ()
    lead = fall.named[0]
    marks = marks_of_part(forms, lead)
    slide = _slide(marks, fall.usual[lead].level - marks[-1])
    began = tuple(marks[:FIRST_FORMS])
    if slide and all(abs(mark - marks[-1]) <= CLEAR_DROP + ROUNDING for mark in began):
        # The way back to where the client began looks like a slide, and tells less.
        return Shape.UNCLEAR, began
    return (Shape.SLIDE, slide) if slide else (Shape.UNCLEAR, ())


def _is_step(forms: Sequence[Marks], fall: Fall) -> bool:
    """Return whether the form of `start` brought the fall of every component that fell."""

    def dropped(part: Component, share: float, least: float) -> bool:
        before = marks_of_part(forms[: fall.start], part)
        after = marks_of_part(forms[fall.start :], part)
        depth = fall.usual[part].level - after[-1]
        return bool(before) and before[-1] - after[0] >= max(share * depth, least) - ROUNDING

    lead, *others = fall.named
    return dropped(lead, STEP_SHARE, CLEAR_DROP) and all(
        dropped(part, LOWER_SHARE, LEAST_FALL) for part in others
    )


def _slide(marks: Sequence[float], depth: float) -> tuple[float, ...]:
    """Return the run of last marks that is a slide over most of the depth; empty when none is.

    It is the longest run that begins with more than noise, or else the shortest.
    """
    runs = [tuple(marks[-count:]) for count in range(min(len(marks), LONGEST_FALL), SLIDE_FORMS - 1, -1)]
    slides = [run for run in runs if run[0] - run[-1] >= STEP_SHARE * depth and _is_slide(run)]
    clear = (run for run in slides if run[0] - run[1] >= SLIDE_NOISE * (run[0] - run[-1]))
    return next(clear, slides[-1] if slides else ())


def _is_slide(run: Sequence[float]) -> bool:
    whole = run[0] - run[-1]
    steps = [before - after for before, after in pairwise(run)]
    return (
        whole >= 2 * LEAST_FALL
        and min(steps[0], steps[-1]) >= LEAST_FALL - ROUNDING
        and sum(1 for step in steps if step >= LEAST_FALL - ROUNDING) >= LEAST_SLIDE_STEPS
        and max(steps) <= LARGEST_SLIDE_STEP * whole + ROUNDING
        and min(steps) >= -max(SLIDE_NOISE * whole, LEAST_FALL)
    )


def _components(
    forms: Sequence[Marks], fall: Fall, low: Sequence[Component], *, settled: bool
) -> tuple[StatedComponent, ...]:
    last = forms[-1]
    marked = [part for part in Component if any(part in form for form in forms)]
    ordered = dict.fromkeys([*fall.named, *low, *marked])

    def stated(part: Component) -> StatedComponent:
        usual = None if part in low else fall.usual.get(part)
        standing = Standing.LOW if part in low else _standing(part, last, usual, fall.named)
        lasting = lasting_level(forms, part) if settled else None
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
    fell = first is not None and mark is not None and first - mark >= CLEAR_FALL - ROUNDING
    return first if fell else None


def _standing(part: Component, last: Marks, usual: UsualLevel | None, named: Sequence[Component]) -> Standing:
    if part in named:
        return Standing.FELL
    if usual is None or part not in last:
        return Standing.UNKNOWN
    mark = last[part]
    if mark < usual.low - ROUNDING and usual.level - mark >= LEAST_FALL - ROUNDING:
        return Standing.SOMEWHAT_LOWER
    if mark > usual.high + ROUNDING and mark - usual.level >= LEAST_FALL - ROUNDING:
        return Standing.ROSE
    return Standing.HELD
