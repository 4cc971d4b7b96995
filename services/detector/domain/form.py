"""Turns a rating into a form: the session's marks on one scale 0 to 1, whatever the instrument."""

from collections.abc import Sequence
from datetime import datetime
from math import isnan, nan
from typing import Protocol

import numpy as np
from msgspec import Struct
from numpy.typing import NDArray

from schemas.components import Component
from schemas.events import Mark, Scores, Status
from schemas.ids import RatingId
from schemas.instruments.catalogue import Catalogue, UnknownInstrument
from schemas.instruments.instrument import Instrument
from schemas.instruments.scoring import score
from schemas.rating_order import SessionOrder, session_order
from schemas.validation_errors import InvalidInput
from services.detector.domain.reasons import RejectionReason
from services.runtime.process.errors import Halt, Reject


class Form(Struct, frozen=True, gc=False):
    """One session's form as the model reads it; marks are 0 to 1, NaN where one is missing."""

    rating_id: RatingId
    order: SessionOrder
    status: Status
    """`RATED` or `DECLINED`: no other rating is part of a history."""
    bond: float
    goal: float
    task: float
    overall: float
    answered: int
    """Number of items answered; 0 when declined, 3 when only component scores were sent."""
    spread: float
    """Standard deviation of the answered items after reversal, on 0 to 1; NaN for fewer than two."""
    top: float
    """Share of answered items at the best mark, after reversal; NaN when none was answered."""
    step: float
    """The instrument's step on 0 to 1 (.25 for marks 1 to 5; .01 for a line of 100 points)."""


def marks_of(form: Form) -> dict[Component, float]:
    """Return the marks of a form by component, 0 to 1; empty when the client declined it."""
    marks = {part: float(getattr(form, part.value)) for part in Component}
    return {part: mark for part, mark in marks.items() if not isnan(mark)}


FORM_COLUMNS = ("bond", "goal", "task", "overall", "answered", "spread", "top", "step", "declined")
"""A form's numbers in the order in which the features read them."""


def form_matrix(forms: Sequence[Form]) -> NDArray[np.float64]:
    """Return forms as rows of `FORM_COLUMNS`, shape (forms, columns); `declined` is 1 or 0."""
    rows = [
        (f.bond, f.goal, f.task, f.overall, f.answered, f.spread, f.top, f.step, f.status is Status.DECLINED)
        for f in forms
    ]
    return np.array(rows, dtype=np.float64).reshape(len(rows), len(FORM_COLUMNS))


class ScoreFields(Protocol):
    """Component scores in instrument units."""

    @property
    def bond(self) -> float: ...
    @property
    def goal(self) -> float: ...
    @property
    def task(self) -> float: ...


class RatingFields(Protocol):
    """The fields that a form is made from; `schemas.events.SessionRated` and its msgspec twin have them."""

    @property
    def rating_id(self) -> str: ...
    @property
    def session_id(self) -> str: ...
    @property
    def session_at(self) -> datetime: ...
    @property
    def instrument(self) -> str: ...
    @property
    def status(self) -> Status: ...
    @property
    def items(self) -> tuple[Mark, ...] | None: ...
    @property
    def scores(self) -> ScoreFields | None: ...


def form_of(rating: RatingFields, instrument: Instrument) -> Form:
    """Return the form of a rating that was given or declined.

    Raises:
        Reject: `invalid-marks`, if the marks do not fit the instrument, too many are missing, or the rating
            was withdrawn or cancelled and so has no form.
    """
    order = session_order(rating)
    step = instrument.unit_step
    if rating.status is Status.DECLINED:
        return Form(RatingId(rating.rating_id), order, rating.status, nan, nan, nan, nan, 0, nan, nan, step)
    sent = rating.scores
    marks = rating.items if sent is None else Scores(bond=sent.bond, goal=sent.goal, task=sent.task)
    if rating.status is not Status.RATED or marks is None:
        raise Reject(RejectionReason.INVALID_MARKS, "there are no marks to score")
    try:
        scores = score(instrument, marks)
    except InvalidInput:
        raise Reject(RejectionReason.INVALID_MARKS, "the marks do not fit the instrument") from None
    return Form(
        rating_id=RatingId(rating.rating_id),
        order=order,
        status=rating.status,
        bond=_nan_if_missing(scores.bond),
        goal=_nan_if_missing(scores.goal),
        task=_nan_if_missing(scores.task),
        overall=_nan_if_missing(scores.overall),
        answered=scores.answered,
        # The spread of three component means carries no information about the noise of single items.
        spread=_nan_if_missing(scores.spread) if sent is None else nan,
        top=scores.top,
        step=step,
    )


def _nan_if_missing(mark: Mark) -> float:
    return nan if mark is None else mark


def instrument_of_stored(instrument_id: str, catalogue: Catalogue) -> Instrument:
    """Return the instrument of a rating that is stored already.

    Raises:
        Halt: no file describes it any more. Its history cannot be folded, and no rating may be lost for it.
    """
    try:
        return catalogue.get(instrument_id)
    except UnknownInstrument:
        raise Halt(
            f"stored ratings use the instrument {instrument_id}, which no file describes: put its file back"
            " into the folder RAPPORT_INSTRUMENTS_DIR and restart"
        ) from None
