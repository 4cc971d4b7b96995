"""Heartbeats pass through once per partition and minute and leave no trace in the balance."""

from datetime import UTC, datetime, timedelta

from msgspec.structs import replace

from schemas import topics
from schemas.events import HeartbeatSent
from schemas.instruments.settings import InstrumentSettings
from services.detector.app import load_tools
from services.detector.settings import DetectorSettings
from services.ingest.heartbeat import heartbeat
from services.runtime.kafka.record import Record
from tests.support.detector.batch_driver import NOW, DetectorDriver, events
from tests.support.invariants import deliveries

MINUTE = datetime(2026, 3, 2, 12, 0, tzinfo=UTC)


def beat(partition: int = 1, minute: datetime = MINUTE, offset: int = 0) -> Record:
    out = heartbeat(partition, minute)
    return Record(out.topic, partition, offset, 0, out.key, out.value)


async def test_a_heartbeat_goes_on_to_both_topics_in_its_partition(detector: DetectorDriver) -> None:
    detector.tools = load_tools(DetectorSettings(), InstrumentSettings())
    out = await detector.feed([beat()])
    assert [(one.topic, one.partition) for one in out] == [
        (topics.ASSESSED.name, 1),
        (topics.EPISODE_CHANGED.name, 1),
    ]
    data = events(out, topics.EPISODE_CHANGED)[0].data
    assert isinstance(data, HeartbeatSent)
    assert data.risk == data.expected_risk is not None


async def test_a_heartbeat_that_is_read_again_publishes_nothing(detector: DetectorDriver) -> None:
    detector.tools = load_tools(DetectorSettings(), InstrumentSettings())
    await detector.feed([beat()])
    assert await detector.feed([beat(), beat(offset=1)]) == []


async def test_heartbeats_are_in_no_balance(detector: DetectorDriver) -> None:
    detector.tools = load_tools(DetectorSettings(), InstrumentSettings())
    await detector.feed([beat(), beat(2)])
    assert sum((await deliveries(detector.conn)).values()) == 0
    assert await detector.rows("SELECT count(*) FROM detector.dyad") == [(0,)]


async def test_a_minute_far_ahead_does_not_stop_the_heartbeats_that_follow(detector: DetectorDriver) -> None:
    detector.tools = load_tools(DetectorSettings(), InstrumentSettings())
    await detector.feed([beat(minute=NOW + timedelta(days=365))])

    assert len(await detector.feed([beat(minute=NOW)])) == 2
    assert await detector.feed([beat(minute=NOW)]) == []
    assert len(await detector.feed([beat(minute=NOW + timedelta(minutes=1))])) == 2


async def test_a_minute_that_is_no_time_is_rejected(detector: DetectorDriver) -> None:
    detector.tools = load_tools(DetectorSettings(), InstrumentSettings())
    good = beat()
    forged = replace(
        good, value=(good.value or b"").replace(b'"minute":"2026-03-02T12:00:00Z"', b'"minute":"zzzz"')
    )
    assert b"zzzz" in (forged.value or b"")

    await detector.feed([forged])

    assert await detector.rows("SELECT reason FROM detector.rejection") == [("undecodable",)]
    assert await detector.rows("SELECT 1 FROM detector.heartbeat") == []
