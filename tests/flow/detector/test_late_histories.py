"""Late ratings refold whole histories: not too many in one transaction, and never on the event loop."""

import threading

import pytest

from schemas.instruments.catalogue import Catalogue
from schemas.instruments.instrument import Instrument
from services.detector.stream.stages import load
from services.runtime.process.errors import TooMuch
from tests.support.detector.batch_driver import DetectorDriver, body, record_of
from tests.support.invariants import broken

GOOD = (4.5, 4.5, 4.5)
CLIENTS = 6


async def _histories(detector: DetectorDriver, sessions: int) -> None:
    await detector.rate(
        *[
            body(-week, GOOD, client_id=f"c{client}", session_id=f"{week}")
            for client in range(CLIENTS)
            for week in range(sessions)
        ]
    )


async def test_late_ratings_of_many_long_histories_are_too_much_together_and_taken_one_by_one(
    detector: DetectorDriver, monkeypatch: pytest.MonkeyPatch
) -> None:
    await _histories(detector, 5)
    monkeypatch.setattr(load, "MOST_SESSIONS", 12)
    late = [record_of(body(-9, GOOD, client_id=f"c{client}"), 100 + client) for client in range(CLIENTS)]
    with pytest.raises(TooMuch, match="18 sessions of 3 clients"):
        await detector.feed(late[:3])
    await detector.feed(late[:2])
    monkeypatch.setattr(load, "MOST_SESSIONS", 1)
    for record in late[2:]:
        await detector.feed([record])
    assert await detector.rows("SELECT count(*) FROM detector.assessment") == [(CLIENTS * 6,)]
    assert await broken(detector.conn) == {}


async def test_a_long_refold_leaves_the_event_loop_to_others(
    detector: DetectorDriver, monkeypatch: pytest.MonkeyPatch
) -> None:
    await _histories(detector, 100)
    await detector.take_up_in_turn()
    on_the_loop: list[str] = []
    elsewhere: list[str] = []
    get, loop_thread = Catalogue.get, threading.get_ident()

    def noting(catalogue: Catalogue, id_: str) -> Instrument:
        (on_the_loop if threading.get_ident() == loop_thread else elsewhere).append(id_)
        return get(catalogue, id_)

    monkeypatch.setattr(Catalogue, "get", noting)
    await detector.rate(*[body(-101, GOOD, client_id=f"c{client}") for client in range(CLIENTS)])
    await detector.take_up_in_turn()
    assert len(elsewhere) >= CLIENTS * 101
    assert len(on_the_loop) <= 2 * CLIENTS
