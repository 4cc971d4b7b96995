"""Makes the fixed history that heartbeats are scored with and that a model is checked on at loading."""

from datetime import UTC, datetime, timedelta
from math import nan

from schemas.events import Status
from schemas.ids import InstrumentId, RatingId, SessionId
from schemas.rating_order import SessionOrder
from services.detector.domain.form import Form

_BEGAN = datetime(2020, 1, 6, 10, tzinfo=UTC)
_WEEK = timedelta(days=7)
# Bond, goal, task, overall: a stable course with one form partly filled, a fall in goal and task, no form.
_MARKS: tuple[tuple[float, float, float, float] | None, ...] = (
    (0.82, 0.78, 0.80, 0.81),
    (0.85, 0.80, 0.79, 0.82),
    (0.86, nan, 0.83, 0.84),
    (0.84, 0.81, 0.84, 0.85),
    (0.83, 0.52, 0.58, 0.66),
    None,
    (0.80, 0.45, 0.52, 0.60),
)


def heartbeat_history() -> list[Form]:
    """Return seven sessions with a fall at the fifth; a heartbeat compares the risk after the last one."""
    forms = []
    for number, marks in enumerate(_MARKS):
        name = f"heartbeat-{number}"
        order = SessionOrder(_BEGAN + number * _WEEK, SessionId(name), InstrumentId("srs"))
        if marks is None:
            form = Form(RatingId(name), order, Status.DECLINED, nan, nan, nan, nan, 0, nan, nan, 0.01)
        else:
            answered = sum(mark == mark for mark in marks)  # noqa: PLR0124 - only a missing mark differs from itself
            form = Form(RatingId(name), order, Status.RATED, *marks, answered, 0.03, 0.0, 0.01)
        forms.append(form)
    return forms
