"""Forms of outcome and by therapists are stored, corrected, counted and published, and never scored."""

import json
from collections.abc import AsyncIterator
from datetime import timedelta

import httpx
import pytest

from schemas import topics
from schemas.envelope import AllianceAssessedEvent, MeasureStoredEvent
from schemas.events import AllianceAssessed, MeasureStored
from services.detector.cli.erasure import DetectorEraser
from services.detector.cli.export import ratings_as_sent
from services.runtime.kafka.record import Outgoing
from services.runtime.process.cli_plugin import ErasedRows, ErasureScope
from tests.flow.detector.test_results import results_client
from tests.support.detector.batch_driver import NOW, DetectorDriver, SentRating, body, events
from tests.support.invariants import broken, stored_assessments, stored_episodes

GOOD, LOW = (4.5, 4.5, 4.5), (2.5, 2.5, 2.5)
LATER = NOW + timedelta(minutes=1)


@pytest.fixture(autouse=True)
async def invariants(detector: DetectorDriver) -> AsyncIterator[None]:
    """Every test ends in a state in which nothing is broken."""
    yield
    assert await broken(detector.conn) == {}


@pytest.fixture
async def north(
    detector: DetectorDriver, database_url: str, tmp_path: object
) -> AsyncIterator[httpx.AsyncClient]:
    """A client with the key of the practice `north`."""
    async with results_client(database_url, tmp_path, "north") as client:  # type: ignore[arg-type]
        yield client


def ors(session: int, total: float | None = 21.0, **changes: object) -> SentRating:
    """Return a form of outcome of the session, or one that was declined."""
    given = {"status": "declined"} if total is None else {"status": "rated", "total": total}
    return body(session) | {"instrument": "ors"} | given | changes


def own(session: int) -> SentRating:
    """Return a form of the therapist's own."""
    return body(session) | {
        "instrument": "wai-s-t",
        "status": "rated",
        "items": [6.0] * 3 + [2.0] + [6.0] * 8,
    }


def stored(outgoing: list[Outgoing]) -> list[MeasureStored]:
    return [one.data for one in events(outgoing, topics.ASSESSED) if isinstance(one, MeasureStoredEvent)]


def assessed(outgoing: list[Outgoing]) -> list[AllianceAssessed]:
    return [one.data for one in events(outgoing, topics.ASSESSED) if isinstance(one, AllianceAssessedEvent)]


async def test_a_measure_is_published_as_stored_without_a_risk(detector: DetectorDriver) -> None:
    out = await detector.rate(ors(0), own(0))
    by_instrument = {one.instrument: one for one in stored(out)}
    assert (by_instrument["ors"].total, by_instrument["ors"].kind, by_instrument["ors"].components) == (
        21.0, "outcome", {},
    )  # fmt: skip
    assert (by_instrument["wai-s-t"].kind, by_instrument["wai-s-t"].revision) == ("therapist", 1)
    assert set(by_instrument["wai-s-t"].components) == {"bond", "goal", "task"}
    assert assessed(out) == []
    rows = await (await detector.conn.execute("SELECT risk, flagged FROM detector.assessment")).fetchall()
    assert rows == [(None, False)] * 2


async def test_measures_change_no_assessment_and_no_episode(detector: DetectorDriver) -> None:
    weeks = range(-6, 1)
    forms = [body(week, GOOD if week < -1 else LOW) for week in weeks]
    await detector.rate(*forms)
    alone = await stored_assessments(detector.conn), await stored_episodes(detector.conn)
    before = len(detector.outgoing)
    await detector.rate(*(ors(week, 5.0) for week in weeks), *(own(week) for week in weeks))
    await detector.rate(ors(0, 6.0), accepted_at=LATER)
    assert not assessed(detector.outgoing[before:])
    assert not events(detector.outgoing[before:], topics.EPISODE_CHANGED)
    with_measures = await stored_assessments(detector.conn), await stored_episodes(detector.conn)
    assert ([row for row in with_measures[0] if row[2] == "wai-9"], with_measures[1]) == alone


async def test_the_next_assessment_is_that_of_a_client_without_measures(detector: DetectorDriver) -> None:
    forms = [body(week, GOOD) for week in range(-4, 0)]
    await detector.rate(*forms, *(ors(week, 3.0) for week in range(-4, 0)))
    await detector.rate(*(one | {"client_id": "other", "session_id": f"o{n}"} for n, one in enumerate(forms)))
    (with_measures,) = assessed(await detector.rate(body(0, LOW)))
    (without,) = assessed(await detector.rate(body(0, LOW, client_id="other", session_id="o9")))
    assert (with_measures.risk, with_measures.ratings) == (without.risk, without.ratings)
    assert with_measures.components == without.components


async def test_every_delivery_of_a_measure_ends_as_one_outcome(
    detector: DetectorDriver, north: httpx.AsyncClient
) -> None:
    await detector.rate(body(0, GOOD), ors(0), ors(-1, None), own(0))
    await detector.rate(ors(0))
    await detector.rate(ors(0, 22.0), accepted_at=LATER)
    await detector.rate(ors(0, 41.0, id="wrong"), accepted_at=LATER)
    deliveries = (await north.get("/v1/balance")).json()["deliveries"]
    assert deliveries == {
        "assessed": 1,
        "stored": 3,
        "superseded": 1,
        "duplicate": 1,
        "blocked": 0,
        "erased": 0,
        "rejected": {"invalid-marks": 1},
    }


async def test_a_correction_has_a_higher_revision_and_a_withdrawal_takes_the_total_back(
    detector: DetectorDriver,
) -> None:
    await detector.rate(body(-1, GOOD), ors(0))
    (corrected,) = stored(await detector.rate(ors(0, 30.0), accepted_at=LATER))
    (taken_back,) = stored(
        await detector.rate(ors(0, None, status="withdrawn"), accepted_at=LATER + timedelta(minutes=1))
    )
    assert (corrected.revision, corrected.total) == (2, 30.0)
    assert (taken_back.revision, taken_back.status, taken_back.total) == (3, "withdrawn", None)


async def test_the_receipt_of_a_measure_says_that_it_is_stored(
    detector: DetectorDriver, north: httpx.AsyncClient
) -> None:
    await detector.rate(ors(0, 21.0, id="r-ors"))
    receipt = (await north.get("/v1/ratings/r-ors")).json()
    assert (receipt["status"], receipt["deliveries"][0]["outcome"]) == ("stored", "stored")
    assert (receipt["measure"]["total"], "assessment" in receipt) == (21.0, False)


async def test_measures_are_exported_as_they_were_sent_and_erased_with_their_client(
    detector: DetectorDriver,
) -> None:
    await detector.rate(ors(0, 21.0, id="r-ors"), own(0))
    sent = [json.loads(line) async for line in ratings_as_sent(detector.conn, "north")]
    totals = {one["instrument"]: one.get("total") or one.get("items") for one in sent}
    assert totals == {"ors": 21.0, "wai-s-t": [6.0] * 3 + [2.0] + [6.0] * 8}
    async with detector.conn.transaction():
        eraser = DetectorEraser(b"a secret of thirty-two characters")
        scope = ErasureScope("north", "client-1", None)
        await eraser.erase_clients(detector.conn, scope, ["client-1"], ErasedRows())
    rows = await (await detector.conn.execute("SELECT count(*) FROM detector.rating")).fetchone()
    assert rows == (0,)
