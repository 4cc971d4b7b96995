"""An instrument and its marks in, a form's scores on the common scale 0 to 1 out, and back to its units."""

from collections.abc import Sequence
from math import sqrt
from typing import NamedTuple, cast

from schemas.events import Component, Mark, Scores
from schemas.instruments.instrument import Instrument
from schemas.validation_errors import Complaint, Refused

_ON_STEP = 1e-6
"""How far from a step, in steps, a mark may lie and still be on it: what decimals lose as binary numbers."""

_SCORED = (Component.BOND, Component.GOAL, Component.TASK)


class FormScores(NamedTuple):
    """One form on the common scale, 1 the best; None where there is no mark."""

    bond: Mark
    goal: Mark
    task: Mark
    overall: Mark
    total: float
    """Mean over all answered items; over the three components when only their scores came."""
    answered: int
    """Answered items; 3 when only component scores came."""
    spread: Mark
    """Standard deviation (divided by n) of what was answered, after reversal; None for fewer than two."""
    top: float
    """Share of what was answered that is at the best mark, after reversal."""


class BadMarks(Refused):
    """The marks do not fit the instrument; each complaint names the item and what is expected."""


class TooManyMissing(BadMarks):
    """Too few items are answered for a score."""


def score(instrument: Instrument, marks: Sequence[Mark] | Scores) -> FormScores:
    """The scores of a form: its items' marks in order (None: unanswered), or its component scores.

    A component is the mean of its answered items, and None when more than `missing_component` are
    unanswered, or all.

    Raises:
        TooManyMissing: more than `missing_total` items are unanswered, or no component has a score.
        BadMarks: the number of marks is wrong, or one is out of range or between steps.
    """
    if isinstance(marks, Scores):
        return _from_scores(instrument, marks)
    return _from_items(instrument, marks)


def to_units(instrument: Instrument, share: float) -> float:
    """A component's score as the mark it stands for, to 6 decimals: .9 is 9.0 on a line from 0 to 10."""
    return round(instrument.lowest + share * (instrument.highest - instrument.lowest), 6)


def from_units(instrument: Instrument, mark: float) -> float:
    """A mark of an item that is not reversed, or a component's mean mark, on the common scale."""
    return (mark - instrument.lowest) / (instrument.highest - instrument.lowest)


def total_to_units(instrument: Instrument, share: float) -> float:
    """A total as the sum of all marks (after reversal), to 6 decimals: .9 is 36.0 of 40.

    Where items are unanswered, it is the sum that their form would have with the mean of the others.
    """
    return round(instrument.items * (instrument.lowest + share * (instrument.highest - instrument.lowest)), 6)


def _from_items(instrument: Instrument, marks: Sequence[Mark]) -> FormScores:
    if len(marks) != instrument.items:
        raise BadMarks([Complaint("items", "has the wrong number of marks", _expected_count(instrument))])
    looked_up = [
        known.get(mark)  # None, unanswered, is no key
        for known, mark in zip(instrument.shares, cast("Sequence[float]", marks), strict=True)
    ]
    if None not in looked_up:
        return _from_full(instrument, cast("list[float]", looked_up))
    shares: list[Mark] = []
    answers: list[float] = []
    for known, mark in zip(instrument.shares, marks, strict=True):
        if mark is None:
            shares.append(None)
            continue
        share = known.get(mark)
        if share is None:
            share = _share_off_step(instrument, len(shares) + 1, marks)
        shares.append(share)
        answers.append(share)
    if len(marks) - len(answers) > instrument.missing_total:
        raise _too_many_missing(instrument)
    bond, goal, task, overall = [
        _mean([shares[place] for place in places], instrument.missing_component)
        for places in instrument.places
    ]
    if bond is None and goal is None and task is None and overall is None:
        raise _too_many_missing(instrument)
    return _form(bond, goal, task, overall, answers)


def _from_full(instrument: Instrument, shares: list[float]) -> FormScores:
    # Most forms: every item is answered, on a step.
    bond, goal, task, overall = [
        None if pick is None else sum(picked := pick(shares)) / len(picked) for pick in instrument.pickers
    ]
    return _form(bond, goal, task, overall, shares)


def _mean(shares: list[Mark], missing: int) -> Mark:
    found = [share for share in shares if share is not None]
    if not found or len(shares) - len(found) > missing:
        return None
    return sum(found) / len(found)


def _from_scores(instrument: Instrument, scores: Scores) -> FormScores:
    means = []
    complaints = []
    for component in _SCORED:
        mark = cast("float", getattr(scores, component))
        field = f"scores.{component}"
        if component not in instrument.components:
            complaints.append(Complaint(field, "is not part of this instrument", "items"))
        elif not instrument.lowest <= mark <= instrument.highest:
            expected = f"the mean of its items after reversal, {_range(instrument)}"
            complaints.append(Complaint(field, "is out of range", expected))
        else:
            means.append(from_units(instrument, mark))
    if complaints:
        raise BadMarks(complaints)
    bond, goal, task = means
    return _form(bond, goal, task, None, means)


def _form(bond: Mark, goal: Mark, task: Mark, overall: Mark, answers: Sequence[float]) -> FormScores:
    answered = len(answers)
    mean = sum(answers) / answered
    spread = None
    if answered > 1:
        spread = sqrt(sum([(off := share - mean) * off for share in answers]) / answered)
    return FormScores(bond, goal, task, overall, mean, answered, spread, answers.count(1.0) / answered)


def _share_off_step(instrument: Instrument, item: int, marks: Sequence[Mark]) -> float:
    mark = cast("float", marks[item - 1])
    if _fault(instrument, mark) is not None:
        raise BadMarks(
            [
                Complaint("items", f"item {number} {fault[0]}", fault[1])
                for number, each in enumerate(marks, start=1)
                if each is not None and (fault := _fault(instrument, each)) is not None
            ]
        )
    return instrument.share(item, mark)


def _fault(instrument: Instrument, mark: float) -> tuple[str, str] | None:
    if not instrument.lowest <= mark <= instrument.highest:
        return "is out of range", _range(instrument)
    steps = (mark - instrument.lowest) / instrument.step
    if instrument.exact and abs(steps - round(steps)) > _ON_STEP:
        return "lies between two marks", f"{_range(instrument)}, in steps of {instrument.step:g}"
    return None


def _too_many_missing(instrument: Instrument) -> TooManyMissing:
    least = instrument.items - instrument.missing_total
    expected = f"at least {least} of {instrument.items}; or status declined when the client gave no form"
    return TooManyMissing([Complaint("items", "has too many unanswered items", expected)])


def _expected_count(instrument: Instrument) -> str:
    return f"{instrument.items} marks, null where an item was not answered"


def _range(instrument: Instrument) -> str:
    return f"{instrument.lowest:g} to {instrument.highest:g}"
