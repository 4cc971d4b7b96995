"""An appointment that did not take place is accepted, is no session, and changes no other assessment."""

from collections.abc import AsyncIterator
from datetime import timedelta

import pytest

from schemas import topics
from schemas.envelope import AllianceAssessedEvent
from schemas.events import AllianceAssessed
from services.runtime.kafka.record import Outgoing
from tests.support.detector.batch_driver import NOW, DetectorDriver, body, events
from tests.support.invariants import broken, deliveries

GOOD, LOW = (4.5, 4.5, 4.5), (2.5, 2.5, 2.5)


@pytest.fixture(autouse=True)
async def invariants(detector: DetectorDriver) -> AsyncIterator[None]:
    """Every test ends in a state in which nothing is broken."""
    yield
    assert await broken(detector.conn) == {}


def assessed(outgoing: list[Outgoing]) -> list[AllianceAssessed]:
    return [
        each.data for each in events(outgoing, topics.ASSESSED) if isinstance(each, AllianceAssessedEvent)
    ]


def cancelled(session: int) -> dict[str, object]:
    return body(session, status="cancelled")


async def outcomes(detector: DetectorDriver) -> tuple[int, ...]:
    return tuple((await deliveries(detector.conn)).values())


async def test_a_cancelled_appointment_is_published_without_a_risk(detector: DetectorDriver) -> None:
    (data,) = assessed(await detector.rate(cancelled(0)))
    assert (data.status, data.risk, data.ratings, data.early) == ("cancelled", None, 0, False)
    assert await outcomes(detector) == (1, 0, 0, 0)


async def test_cancelled_appointments_change_no_later_assessment(detector: DetectorDriver) -> None:
    sessions = [body(week, GOOD) for week in (-6, -4, -2)]
    await detector.rate(*sessions, *(cancelled(week) for week in (-5, -3, -1)))
    await detector.rate(
        *({**each, "client_id": "other", "session_id": f"o{n}"} for n, each in enumerate(sessions))
    )
    (with_cancelled,) = assessed(await detector.rate(body(0, LOW)))
    (without,) = assessed(await detector.rate(body(0, LOW, client_id="other", session_id="o9")))
    assert (with_cancelled.risk, with_cancelled.ratings) == (without.risk, without.ratings)
    assert with_cancelled.components == without.components


async def test_a_session_that_was_cancelled_by_mistake_can_be_rated(detector: DetectorDriver) -> None:
    await detector.rate(body(-1, GOOD), cancelled(0))
    (data,) = assessed(await detector.rate(body(0, GOOD), accepted_at=NOW + timedelta(minutes=1)))
    assert (data.status, data.revision, data.ratings) == ("rated", 2, 2)
    assert await outcomes(detector) == (2, 1, 0, 0)


async def test_a_declined_form_can_become_a_cancelled_appointment(detector: DetectorDriver) -> None:
    await detector.rate(body(-2, GOOD), body(-1), body(0, GOOD))
    out = assessed(await detector.rate(cancelled(-1), accepted_at=NOW + timedelta(minutes=1)))
    assert ("cancelled", None) in {(each.status, each.risk) for each in out}
    rows = await detector.rows("SELECT session_id FROM detector.assessment WHERE risk IS NOT NULL ORDER BY 1")
    assert rows == [("s-2",), ("s0",)]


async def test_the_same_cancellation_twice_is_a_duplicate(detector: DetectorDriver) -> None:
    await detector.rate(cancelled(0))
    assert assessed(await detector.rate(cancelled(0))) == []
    assert await outcomes(detector) == (1, 0, 1, 0)
