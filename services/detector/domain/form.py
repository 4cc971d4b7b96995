"""Turns ratings into forms, one or many at once: marks on one scale 0 to 1, whatever the instrument."""

from collections import defaultdict
from collections.abc import Iterator, Sequence
from datetime import datetime
from itertools import chain
from math import isnan, nan
from typing import Protocol

import numpy as np
from msgspec import Struct
from numpy.typing import NDArray

from schemas.components import Component
from schemas.events import FORM_STATUSES, Mark, Scores, Status
from schemas.ids import RatingId
from schemas.instruments.batch_scoring import score_complete
from schemas.instruments.catalogue import Catalogue, UnknownInstrument
from schemas.instruments.instrument import Instrument
from schemas.instruments.scoring import check_marks, score
from schemas.rating_order import SessionOrder, session_order
from schemas.validation_errors import InvalidInput
from services.detector.domain.outcomes import RejectionReason
from services.runtime.process.errors import Halt, Reject

_FEW = 8
"""With fewer ratings of one instrument, converting them one by one is as fast."""


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
    declined = Status.DECLINED
    rows = (
        (f.bond, f.goal, f.task, f.overall, f.answered, f.spread, f.top, f.step, f.status is declined)
        for f in forms
    )
    # One flat run of numbers takes half of the time of an array of tuples, or less.
    numbers = np.fromiter(chain.from_iterable(rows), np.float64, len(forms) * len(FORM_COLUMNS))
    return numbers.reshape(len(forms), len(FORM_COLUMNS))


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
    @property
    def total(self) -> float | None: ...


def marks_as_sent(rating: RatingFields) -> Sequence[Mark] | Scores | float | None:
    """Return a rating's marks as they were sent: of items, by component, or as a total; None without any."""
    if rating.scores is not None:
        return Scores(bond=rating.scores.bond, goal=rating.scores.goal, task=rating.scores.task)
    return rating.items if rating.items is not None else rating.total


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


def forms_of(ratings: Sequence[RatingFields], catalogue: Catalogue) -> list[Form | Reject | None]:
    """Make the form of each rating: None if it has none to score, a `Reject` if it cannot be used.

    What was withdrawn or cancelled has none, nor has a measure: its marks are checked, and never scored.
    """
    full = full_forms(ratings, catalogue)
    return [
        _form_or_reject(rating, catalogue) if form is None else form
        for rating, form in zip(ratings, full, strict=True)
    ]


def _form_or_reject(rating: RatingFields, catalogue: Catalogue) -> Form | Reject | None:
    try:
        instrument = catalogue.get(rating.instrument)
        if rating.status not in FORM_STATUSES:
            return None
        return form_of(rating, instrument) if instrument.is_alliance else _checked_measure(rating, instrument)
    except UnknownInstrument:
        return Reject(RejectionReason.UNKNOWN_INSTRUMENT, "no such instrument is described here")
    except Reject as reject:
        return reject


def _checked_measure(rating: RatingFields, instrument: Instrument) -> Reject | None:
    marks = marks_as_sent(rating)
    if rating.status is Status.DECLINED and marks is None:
        return None
    try:
        if marks is not None:
            check_marks(instrument, marks)
            return None
    except InvalidInput:
        pass
    return Reject(RejectionReason.INVALID_MARKS, "the marks do not fit the instrument")


def is_measure(rating: RatingFields, catalogue: Catalogue) -> bool:
    """Return whether a rating is by an instrument that is known, and not scored."""
    try:
        return not catalogue.get(rating.instrument).is_alliance
    except UnknownInstrument:
        return False


def full_forms(ratings: Sequence[RatingFields], catalogue: Catalogue) -> list[Form | None]:
    """Return the form of each rating that has a valid mark for every item; None for any other.

    The ratings that get None are left to `form_of`, and so are those of rare instruments.
    """
    forms: list[Form | None] = [None] * len(ratings)
    by_instrument: defaultdict[str, list[int]] = defaultdict(list)
    for number, rating in enumerate(ratings):
        items = rating.items
        if (
            items is not None
            and rating.scores is None
            and rating.status is Status.RATED
            and None not in items
        ):
            by_instrument[rating.instrument].append(number)
    for name, numbers in by_instrument.items():
        try:
            instrument = catalogue.get(name)
        except UnknownInstrument:
            continue
        if not instrument.is_alliance:
            continue
        complete = [number for number in numbers if len(ratings[number].items or ()) == instrument.items]
        if len(complete) >= _FEW:
            made = _forms([ratings[number] for number in complete], instrument)
            for number, form in zip(complete, made, strict=True):
                forms[number] = form
    return forms


def _forms(ratings: Sequence[RatingFields], instrument: Instrument) -> Iterator[Form | None]:
    """Yield the form of each rating, all of one instrument; None where a mark is not one of its steps."""
    marks = np.array([rating.items for rating in ratings], dtype=np.float64)
    scores = score_complete(instrument, marks)
    columns = (scores.bond, scores.goal, scores.task, scores.overall, scores.spread, scores.top)
    for rating, on_step, (bond, goal, task, overall, spread, top) in zip(
        ratings, scores.on_step.tolist(), np.stack(columns, axis=1).tolist(), strict=True
    ):
        form = Form(
            RatingId(rating.rating_id),
            session_order(rating),
            rating.status,
            bond,
            goal,
            task,
            overall,
            instrument.items,
            spread,
            top,
            instrument.unit_step,
        )
        yield form if on_step else None


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
