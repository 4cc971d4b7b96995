"""Ratings in, forms out: a dyad's sessions in order, on one scale 0 to 1, whatever the instrument."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from schemas.events import Status
from schemas.ids import InstrumentId, RatingId, SessionId


class Place(NamedTuple):
    """Where a form stands among the sessions of its dyad: by time (UTC), session id, instrument."""

    session_at: datetime
    session_id: SessionId
    instrument: InstrumentId


@dataclass(frozen=True, slots=True)
class Form:
    """One session's form as the model sees it; marks are 0 to 1, NaN where there is none."""

    rating_id: RatingId
    place: Place
    status: Status
    """`RATED` or `DECLINED`: a withdrawn rating is no part of a history."""
    bond: float
    goal: float
    task: float
    overall: float
    answered: int
    """How many items were answered; 0 when declined, 3 when only component scores came."""
    spread: float
    """Standard deviation of the answered items after reversal, on 0 to 1; NaN for fewer than two."""
    top: float
    """Share of answered items at the best mark, after reversal; NaN when none was answered."""
    step: float
    """The instrument's step on 0 to 1 (.25 for marks 1 to 5; .01 for a line of 100 points)."""


COLUMNS = ("bond", "goal", "task", "overall", "answered", "spread", "top", "step", "declined")
"""The order in which a form's numbers enter the features."""


def matrix(forms: Sequence[Form]) -> NDArray[np.float64]:
    """Forms as rows of `COLUMNS`, shape (forms, columns); `declined` is 1 or 0."""
    rows = [
        (f.bond, f.goal, f.task, f.overall, f.answered, f.spread, f.top, f.step, f.status is Status.DECLINED)
        for f in forms
    ]
    return np.array(rows, dtype=np.float64).reshape(len(rows), len(COLUMNS))
