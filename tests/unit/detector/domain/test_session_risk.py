"""What is stored of a session gives the fold the same as its assessment did."""

from datetime import UTC, datetime
from math import isnan, nan

import pytest
from hypothesis import given
from hypothesis import strategies as st

from schemas.components import Component
from schemas.ids import InstrumentId, RatingId, SessionId
from schemas.instruments.catalogue import Catalogue
from schemas.instruments.instrument import Instrument
from schemas.rating_order import SessionOrder
from services.detector.contracts import Numbers, pack
from services.detector.domain.assessment import DIGITS, Assessment, ComponentFinding
from services.detector.domain.session_risk import SessionRisk, session_risk, stored_session_risk
from services.detector.published.events import components_in_units

CATALOGUE = Catalogue.load()
SRS = CATALOGUE.get("srs")
AT = datetime(2026, 1, 5, 10, tzinfo=UTC)
ORDER = SessionOrder(AT, SessionId("s"), InstrumentId("srs"))
MARKS = st.just(nan) | st.floats(0, 1).map(lambda mark: round(mark, DIGITS))
FINDINGS = st.builds(ComponentFinding, st.just(0.1), MARKS, MARKS)
ASSESSMENTS = st.builds(
    Assessment,
    risk=st.floats(0, 1).map(lambda risk: round(risk, DIGITS)),
    components=st.dictionaries(st.sampled_from(Component), FINDINGS),
    leading=st.none() | st.sampled_from(Component),
    movement=st.none(),
    ratings=st.integers(0, 50),
    level=MARKS,
)


def stored(assessment: Assessment, instrument: Instrument) -> SessionRisk:
    """Return the session as the database gives it back."""
    (components,) = components_in_units([(assessment.components, instrument)])
    numbers = Numbers(
        rating_id=RatingId("r"),
        session_at=AT,
        status="rated",  # type: ignore[arg-type] # its packed form
        threshold_version="t",
        model_version="m",
        ratings=assessment.ratings,
        risk=assessment.risk,
        leading=assessment.leading,
        components=components,
    )
    level = None if isnan(assessment.level) else assessment.level
    fresh = session_risk(ORDER, assessment, 0.5)
    columns = SessionRisk(ORDER, assessment.risk, 0.5, fresh.may_flag, level)
    return stored_session_risk(columns, pack(numbers), instrument)


@pytest.mark.parametrize("instrument", [CATALOGUE.get(name) for name in ("srs", "wai-9", "wai-sr")])
@given(assessment=ASSESSMENTS)
def test_a_stored_session_is_read_back_as_it_was_assessed(
    instrument: Instrument, assessment: Assessment
) -> None:
    assert session_risk(ORDER, assessment, 0.5) == stored(assessment, instrument)


def test_a_component_without_a_mark_is_not_among_the_marks() -> None:
    findings = {
        Component.BOND: ComponentFinding(0.1, nan, 0.7),
        Component.GOAL: ComponentFinding(0.1, 0.5, nan),
    }
    found = session_risk(ORDER, Assessment(0.2, findings, None, None, 4, 0.5), 0.5)
    assert found.marks == ((Component.GOAL, 0.5, None),)
