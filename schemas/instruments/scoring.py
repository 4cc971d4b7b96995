"""Scores a form on the common scale 0 to 1, and converts scores back to the instrument's units.

`schemas.instruments.batch_scoring` scores many complete forms at once, by the same arithmetic.
"""

from collections.abc import Iterable, Sequence
from math import sqrt
from typing import NamedTuple, cast

from schemas.components import Component
from schemas.events import Mark, Scores
from schemas.instruments.instrument import Instrument
from schemas.validation_errors import InvalidInput, Violation

_STEP_TOLERANCE = 1e-6
"""How far from a step, in steps, a mark still counts as on it: decimals lose digits as binary numbers."""

_SCORED = (Component.BOND, Component.GOAL, Component.TASK)


class FormScores(NamedTuple):
    """One form on the common scale 0 to 1, 1 the best; None where there is no mark."""

    bond: Mark
    goal: Mark
    task: Mark
    overall: Mark
    total: float
    """Mean of all answered items; of the three components when only their scores were sent."""
    answered: int
    """Number of answered items; 3 when only component scores were sent."""
    spread: Mark
    """Standard deviation (divided by n) of the answered items after reversal; None for fewer than two."""
    top: float
    """Share of the answered items that have the best mark, after reversal."""


class InvalidMarks(InvalidInput):
    """The marks do not fit the instrument; each violation names the item and what is expected."""


class TooManyUnanswered(InvalidMarks):
    """Too few items are answered for a score."""


def score(instrument: Instrument, marks: Sequence[Mark] | Scores) -> FormScores:
    """Score a form from its items' marks in order (None: unanswered), or from its component scores.

    A component's score is the mean of its answered items. It is None when more than `missing_component` of
    them are unanswered, or all.

    >>> from schemas.instruments.catalogue import Catalogue
    >>> form = score(Catalogue.load().get("srs"), [9.0, 8.0, 10.0, 9.0])
    >>> form.bond, form.total, form.top
    (0.9, 0.9, 0.25)

    Raises:
        TooManyUnanswered: more than `missing_total` items are unanswered, or no component has a score.
        InvalidMarks: the number of marks is wrong, or a mark is out of range or between two steps.
    """
    if isinstance(marks, Scores):
        return _from_scores(instrument, marks)
    return _from_items(instrument, marks)


def total_of(instrument: Instrument, marks: Sequence[Mark] | Scores | float) -> float:
    """Return the sum of a form's marks after reversal, in the instrument's unit, to 6 decimals.

    Given are the marks of its items, its component scores, or the total itself. Unanswered items count as the
    mean of the others. It takes forms of every kind of instrument, also of those without components.

    >>> from schemas.instruments.catalogue import Catalogue
    >>> catalogue = Catalogue.load()
    >>> total_of(catalogue.get("ors"), [5.0, 6.0, 4.5, 5.5]), total_of(catalogue.get("phq-9"), 12)
    (21.0, 12.0)

    Raises:
        TooManyUnanswered: more than `missing_total` items are unanswered.
        InvalidMarks: the number of marks is wrong, a mark or the total is out of range, or a mark lies
            between two steps.
    """
    if isinstance(marks, int | float):
        return _checked_total(instrument, marks)
    if isinstance(marks, Scores):
        return total_to_units(instrument, _from_scores(instrument, marks).total)
    if len(marks) != instrument.items:
        raise InvalidMarks([Violation("items", "has the wrong number of marks", _expected_count(instrument))])
    answers = [
        value if (value := scaled.get(mark)) is not None else _scale_off_step(instrument, number, marks)
        for number, (scaled, mark) in enumerate(zip(instrument.scaled_marks, marks, strict=True), start=1)
        if mark is not None
    ]
    if len(marks) - len(answers) > instrument.missing_total:
        raise _too_many_unanswered(instrument)
    return total_to_units(instrument, _mean(answers))


def check_marks(instrument: Instrument, marks: Sequence[Mark] | Scores | float) -> None:
    """Check that the marks of a form fit its instrument, whatever its kind.

    Raises:
        InvalidMarks: they do not, or a total is given where the alliance is rated: it says nothing on its
            components.
    """
    if isinstance(marks, int | float) and instrument.components:
        raise InvalidMarks([Violation("total", "is not enough for this instrument", "items or scores")])
    if isinstance(marks, Scores) and not instrument.components:
        raise InvalidMarks(
            [Violation("scores", "are not part of this instrument", "items, or its total as total")]
        )
    if instrument.components:
        score(instrument, cast("Sequence[Mark] | Scores", marks))
    else:
        total_of(instrument, marks)


def to_units(instrument: Instrument, value: float) -> float:
    """Return a component's score (0 to 1) as a mark, to 6 decimals: .9 is 9.0 on a line from 0 to 10."""
    return round(instrument.lowest + value * (instrument.highest - instrument.lowest), 6)


def from_units(instrument: Instrument, mark: float) -> float:
    """Return a component's mean mark, or the mark of an item that is not reversed, on the scale 0 to 1."""
    return (mark - instrument.lowest) / (instrument.highest - instrument.lowest)


def total_to_units(instrument: Instrument, value: float) -> float:
    """Return a total (0 to 1) as the sum of all marks after reversal, to 6 decimals: .9 is 36.0 of 40.

    Where items are unanswered, this is the sum that the form would have if they had the mean of the others.
    """
    return round(instrument.items * (instrument.lowest + value * (instrument.highest - instrument.lowest)), 6)


def _from_items(instrument: Instrument, marks: Sequence[Mark]) -> FormScores:
    if len(marks) != instrument.items:
        raise InvalidMarks([Violation("items", "has the wrong number of marks", _expected_count(instrument))])
    looked_up = [
        scaled.get(mark)  # None, unanswered, is no key
        for scaled, mark in zip(instrument.scaled_marks, cast("Sequence[float]", marks), strict=True)
    ]
    if None not in looked_up:
        return _from_complete(instrument, cast("list[float]", looked_up))
    values: list[Mark] = []
    answers: list[float] = []
    for scaled, mark in zip(instrument.scaled_marks, marks, strict=True):
        if mark is None:
            values.append(None)
            continue
        value = scaled.get(mark)
        if value is None:
            value = _scale_off_step(instrument, len(values) + 1, marks)
        values.append(value)
        answers.append(value)
    if len(marks) - len(answers) > instrument.missing_total:
        raise _too_many_unanswered(instrument)
    bond, goal, task, overall = [
        _mean_of_answered([values[index] for index in indices], instrument.missing_component)
        for indices in instrument.component_indices
    ]
    if bond is None and goal is None and task is None and overall is None:
        raise _too_many_unanswered(instrument)
    return _form(bond, goal, task, overall, answers)


def _from_complete(instrument: Instrument, values: list[float]) -> FormScores:
    # The common case: every item is answered, on a step.
    bond, goal, task, overall = [
        None if getter is None else _mean(getter(values)) for getter in instrument.component_getters
    ]
    return _form(bond, goal, task, overall, values)


def _mean_of_answered(values: list[Mark], most_missing: int) -> Mark:
    answers = [value for value in values if value is not None]
    if not answers or len(values) - len(answers) > most_missing:
        return None
    return _mean(answers)


def _from_scores(instrument: Instrument, scores: Scores) -> FormScores:
    means = []
    violations = []
    for component in _SCORED:
        mark = cast("float", getattr(scores, component))
        field = f"scores.{component}"
        if component not in instrument.components:
            violations.append(Violation(field, "is not part of this instrument", "items"))
        elif not instrument.lowest <= mark <= instrument.highest:
            expected = f"the mean of its items after reversal, {_range(instrument)}"
            violations.append(Violation(field, "is out of range", expected))
        else:
            means.append(from_units(instrument, mark))
    if violations:
        raise InvalidMarks(violations)
    bond, goal, task = means
    return _form(bond, goal, task, None, means)


def _checked_total(instrument: Instrument, total: float) -> float:
    if not instrument.lowest_total <= total <= instrument.highest_total:
        expected = f"{instrument.lowest_total:g} to {instrument.highest_total:g}, the sum of all marks"
        raise InvalidMarks([Violation("total", "is out of range", expected)])
    return round(float(total), 6)


def _form(bond: Mark, goal: Mark, task: Mark, overall: Mark, answers: Sequence[float]) -> FormScores:
    answered = len(answers)
    mean = _mean(answers)
    spread = None
    if answered > 1:
        spread = sqrt(_mean([(off := value - mean) * off for value in answers]))
    return FormScores(bond, goal, task, overall, mean, answered, spread, answers.count(1.0) / answered)


def _mean(values: Sequence[float]) -> float:
    return _sum(values) / len(values)


def _sum(values: Iterable[float]) -> float:
    # From left to right, as `batch_scoring` adds arrays. Python's sum() compensates rounding errors from
    # version 3.12 on: the last digit would depend on the version, and differ from the arrays'.
    total = 0.0
    for value in values:
        total += value
    return total


def _scale_off_step(instrument: Instrument, item: int, marks: Sequence[Mark]) -> float:
    mark = cast("float", marks[item - 1])
    if _fault(instrument, mark) is not None:
        raise InvalidMarks(
            [
                Violation("items", f"item {number} {fault[0]}", fault[1])
                for number, each in enumerate(marks, start=1)
                if each is not None and (fault := _fault(instrument, each)) is not None
            ]
        )
    return instrument.scale(item, mark)


def _fault(instrument: Instrument, mark: float) -> tuple[str, str] | None:
    if not instrument.lowest <= mark <= instrument.highest:
        return "is out of range", _range(instrument)
    steps = (mark - instrument.lowest) / instrument.step
    if instrument.exact and abs(steps - round(steps)) > _STEP_TOLERANCE:
        return "lies between two marks", f"{_range(instrument)}, in steps of {instrument.step:g}"
    return None


def _too_many_unanswered(instrument: Instrument) -> TooManyUnanswered:
    least = instrument.items - instrument.missing_total
    expected = f"at least {least} of {instrument.items}; or status declined when the client gave no form"
    return TooManyUnanswered([Violation("items", "has too many unanswered items", expected)])


def _expected_count(instrument: Instrument) -> str:
    return f"{instrument.items} marks, null for an unanswered item"


def _range(instrument: Instrument) -> str:
    return f"{instrument.lowest:g} to {instrument.highest:g}"
