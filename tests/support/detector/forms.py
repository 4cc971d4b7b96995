"""Makes forms by hand for tests."""

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


def order(number: int) -> SessionOrder:
    """Return the order of the `number`th weekly session."""
    return SessionOrder(BEGAN + timedelta(weeks=number), SessionId(f"s{number:02d}"), InstrumentId("wai-sr"))


def form(number: int, bond: float, goal: float, task: float, *, overall: float = nan) -> Form:
    """Return a form of 12 items with these component means."""
    best = bond == goal == task == 1.0
    return Form(
        rating_id=RatingId(f"r{number}"),
        order=order(number),
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
    """Return a session whose form was declined."""
    return Form(RatingId(f"r{number}"), order(number), Status.DECLINED, nan, nan, nan, nan, 0, nan, nan, 0.25)


def level_forms(levels: Sequence[float]) -> list[Form]:
    """Return forms whose components are all at these levels."""
    return [form(number, level, level, level) for number, level in enumerate(levels)]


def assessed(detector: TrainedDetector, forms: Sequence[Form]) -> Assessment:
    """Return the detector's assessment of the last form."""
    return detector.assess([DyadForms(None, forms)])[0].assessments[-1]
