"""Forms made by hand for tests."""

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from math import nan

from schemas.events import Status
from schemas.ids import InstrumentId, RatingId, SessionId
from schemas.rating_order import SessionOrder
from services.detector.domain.assessment import Assessment
from services.detector.domain.detector import DyadForms
from services.detector.domain.form import Form
from services.detector.model.trained_detector import TrainedDetector

BEGAN = datetime(2026, 1, 5, 10, tzinfo=UTC)
STEADY = (0.80, 0.82, 0.79, 0.81, 0.80)


def place(number: int) -> SessionOrder:
    """The place of the `number`th weekly session."""
    return SessionOrder(BEGAN + timedelta(weeks=number), SessionId(f"s{number:02d}"), InstrumentId("wai-sr"))


def form(number: int, bond: float, goal: float, task: float, *, overall: float = nan) -> Form:
    """A form of 12 items with these component means."""
    best = bond == goal == task == 1.0
    return Form(
        rating_id=RatingId(f"r{number}"),
        order=place(number),
        status=Status.RATED,
        bond=bond,
        goal=goal,
        task=task,
        overall=overall,
        answered=12,
        spread=0.0 if best else 0.06,
        top=float(best),
        step=0.25,
    )


def declined(number: int) -> Form:
    """A session without a form."""
    return Form(RatingId(f"r{number}"), place(number), Status.DECLINED, nan, nan, nan, nan, 0, nan, nan, 0.25)


def level_forms(levels: Sequence[float]) -> list[Form]:
    """Forms whose components all lie at these levels."""
    return [form(number, level, level, level) for number, level in enumerate(levels)]


def assessed(detector: TrainedDetector, forms: Sequence[Form]) -> Assessment:
    """What the detector says of the last form."""
    return detector.assess([DyadForms(None, forms)])[0].assessments[-1]
