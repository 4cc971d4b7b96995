"""Many ratings in, the forms of those that were answered in full out: the same as one by one, but faster."""

from collections import defaultdict
from collections.abc import Iterator, Sequence

import numpy as np
from numpy.typing import NDArray

from schemas.events import Status
from schemas.ids import RatingId
from schemas.instruments.catalogue import Catalogue, UnknownInstrument
from schemas.instruments.instrument import Instrument
from schemas.rating_order import session_order
from services.detector.domain.form import Form, Rating, form_of
from services.detector.domain.reasons import RejectionReason
from services.runtime.process.errors import Reject

Floats = NDArray[np.float64]

_FEW = 8
"""So few of one instrument are as fast one by one."""


def forms_of(ratings: Sequence[Rating], catalogue: Catalogue) -> list[Form | Reject | None]:
    """Make the form of each rating: None when it is withdrawn, a `Reject` when it cannot be used."""
    full = full_forms(ratings, catalogue)
    return [
        _form_or_reject(rating, catalogue) if form is None else form
        for rating, form in zip(ratings, full, strict=True)
    ]


def _form_or_reject(rating: Rating, catalogue: Catalogue) -> Form | Reject | None:
    try:
        instrument = catalogue.get(rating.instrument)
        return None if rating.status is Status.WITHDRAWN else form_of(rating, instrument)
    except UnknownInstrument:
        return Reject(RejectionReason.UNKNOWN_INSTRUMENT, "no such instrument is described here")
    except Reject as reject:
        return reject


def full_forms(ratings: Sequence[Rating], catalogue: Catalogue) -> list[Form | None]:
    """The form of each rating with a mark on a step for every item; None for any other: ask `form_of`."""
    forms: list[Form | None] = [None] * len(ratings)
    same: defaultdict[str, list[int]] = defaultdict(list)
    for number, rating in enumerate(ratings):
        items = rating.items
        if (
            items is not None
            and rating.scores is None
            and rating.status is Status.RATED
            and None not in items
        ):
            same[rating.instrument].append(number)
    for name, numbers in same.items():
        try:
            instrument = catalogue.get(name)
        except UnknownInstrument:
            continue
        right = [number for number in numbers if len(ratings[number].items or ()) == instrument.items]
        if len(right) >= _FEW:
            for number, form in zip(right, _forms([ratings[n] for n in right], instrument), strict=True):
                forms[number] = form
    return forms


def _forms(ratings: Sequence[Rating], instrument: Instrument) -> Iterator[Form | None]:
    marks = np.array([rating.items for rating in ratings], dtype=np.float64)
    on_step = _on_step(instrument, marks).tolist()
    shares = [instrument.share(item, marks[:, item - 1]) for item in range(1, instrument.items + 1)]
    parts = [_mean([shares[place] for place in places]) for places in instrument.places]
    mean = _mean(shares)
    spread = np.sqrt(_mean([(share - mean) * (share - mean) for share in shares]))
    if instrument.items < 2:
        spread[:] = np.nan
    top = _mean([(share == 1.0).astype(np.float64) for share in shares])
    nothing = np.full(len(ratings), np.nan)
    columns = np.stack([part if part.size else nothing for part in (*parts, spread, top)], axis=1)
    for rating, on, (bond, goal, task, overall, deviation, best) in zip(
        ratings, on_step, columns.tolist(), strict=True
    ):
        order = session_order(rating)
        form = Form(
            RatingId(rating.rating_id),
            order,
            rating.status,
            bond,
            goal,
            task,
            overall,
            instrument.items,
            deviation,
            best,
            instrument.unit_step,
        )
        yield form if on else None


def _on_step(instrument: Instrument, marks: Floats) -> NDArray[np.bool_]:
    steps = np.array(instrument.steps)
    number = np.rint((marks - instrument.lowest) / instrument.step)
    nearest = steps[np.clip(number, 0, steps.size - 1).astype(np.int64)]
    on: NDArray[np.bool_] = (nearest == marks).all(axis=1)
    return on


def _mean(columns: Sequence[Floats]) -> Floats:
    """(n,) of columns (n,); empty when there is none."""
    if not columns:
        return np.empty(0)
    # One after the other, as `score` adds them up: in another order the last digit differs.
    total = columns[0].copy()
    for column in columns[1:]:
        total += column
    mean: Floats = total / len(columns)
    return mean
