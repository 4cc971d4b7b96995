"""What waits and alone takes longer than a transaction may is set aside, and the others go on meanwhile."""

import asyncio
from collections.abc import Callable, Sequence

import psycopg
import pytest
from msgspec.structs import replace

from schemas import topics
from schemas.rejected import rejected_events
from services.detector.domain.detector import DyadAssessments, DyadForms
from services.detector.jobs import take_up_in_turn
from services.detector.jobs.take_up_blocked import set_aside, take_up_blocked
from services.detector.jobs.take_up_in_turn import ATTEMPTS, LOOP
from services.detector.storage.blocked import position
from services.detector.storage.model_activations import activate
from services.detector.stream.batch import MOST_FOLDS
from services.runtime.consumer.batch_consumer import BatchConsumer
from services.runtime.consumer.consumer_options import BatchLimits, ConsumedTopics, RecordHandling
from services.runtime.http.health import Health
from services.runtime.kafka.record import Outgoing, Record
from services.runtime.outbox.transaction import Transaction
from services.runtime.process.clock import SystemClock
from services.runtime.process.consumer_metrics import ConsumerMetrics
from services.runtime.process.errors import Reject
from services.runtime.process.metrics import Metrics
from services.runtime.process.settings import DatabaseSettings, KafkaSettings
from tests.flow.detector.test_many_sessions import ASSESSED, GOOD, WAITING, many
from tests.support.clock import ManualClock
from tests.support.detector.batch_driver import (
    NOW,
    DetectorDriver,
    body,
    detector_driver,
    record_of,
    tools_with,
)
from tests.support.detector.take_up import taking_up, until
from tests.support.detector.toy_detector import ToyDetector
from tests.support.invariants import broken

DEADLINE_S = 3.5
SLOW = f"TooMuch: a transaction took longer than {DEADLINE_S} s"
REJECTED = "SELECT reason, detail, subject_id FROM detector.rejection"
SLOW_INSERT = """
CREATE FUNCTION public.take_long() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF NEW.rating_id = 'slow' THEN PERFORM pg_sleep(60); END IF;
    RETURN NEW;
END $$;
CREATE TRIGGER take_long BEFORE INSERT ON detector.rating FOR EACH ROW EXECUTE FUNCTION public.take_long();
"""


def consumer_of(url: str, metrics: ConsumerMetrics) -> BatchConsumer:
    """Return the consumer whose transactions the jobs use; its Kafka is away."""

    async def never(_tx: Transaction, _records: Sequence[Record]) -> None:
        raise AssertionError("nothing is read")

    return BatchConsumer(
        "detector",
        ConsumedTopics([topics.SESSION_RATED.name], group="detector"),
        RecordHandling(never, rejected_events("detector", Outgoing)),
        BatchLimits(scheduled_deadline_s=DEADLINE_S),
        kafka=KafkaSettings(bootstrap_servers="127.0.0.1:1"),
        database=DatabaseSettings(url=url),
        metrics=metrics,
        health=Health(SystemClock(), metrics),
        clock=SystemClock(),
    )


async def execute(detector: DetectorDriver, sql: str) -> None:
    """Execute statements that return nothing."""
    await detector.conn.execute(sql)
    await detector.conn.commit()


async def test_a_session_that_alone_takes_too_long_is_set_aside_while_the_others_go_on(
    database_url: str,
) -> None:
    async with detector_driver(database_url) as detector, detector_driver(database_url) as reading:
        await detector.practice()
        sent = many(MOST_FOLDS + 10)
        sent[3]["id"] = "slow"
        await detector.rate(*sent, *many(MOST_FOLDS + 5, client_id="other"))
        await execute(detector, SLOW_INSERT)
        metrics = ConsumerMetrics("detector")
        consumer = consumer_of(database_url, metrics)

        async with taking_up(consumer.transact, detector.tools, Health(SystemClock(), metrics)):
            of_other = f"{ASSESSED} JOIN detector.dyad USING (practice_id, dyad_id) WHERE client_id = 'other'"
            await until(lambda: _are(reading, of_other, MOST_FOLDS + 5))
            when_others_are_done = await reading.rows(REJECTED)
            await until(lambda: _are(reading, WAITING, 0))

        assert when_others_are_done == []
        assert await reading.rows(REJECTED) == [("unprocessable", SLOW, "slow")]
        assert await reading.rows(ASSESSED) == [(MOST_FOLDS + 10 + MOST_FOLDS + 5 - 1,)]
        assert metrics.rejections.labels(reason="unprocessable")._value.get() == 1
        assert await broken(reading.conn) == {}
        # What was set aside takes effect when it is published again after the cause is removed.
        await execute(reading, "DROP FUNCTION public.take_long CASCADE")
        ((key, value),) = await reading.rows("SELECT key, value FROM detector.rejection")
        await detector.feed([replace(record_of(sent[3], 1_000), key=key, value=value)])
        await detector.take_up_in_turn()
        assert await reading.rows(ASSESSED) == [(MOST_FOLDS + 10 + MOST_FOLDS + 5,)]


async def _are(detector: DetectorDriver, sql: str, number: int) -> bool:
    return await detector.rows(sql) == [(number,)]


async def test_one_that_is_too_slow_among_those_whose_model_was_loaded_does_not_stop_the_sweep(
    database_url: str,
) -> None:
    async with detector_driver(database_url) as detector, detector_driver(database_url) as reading:
        await detector.practice()
        await activate(detector.conn, ["north"], "toy-9", NOW)
        await detector.conn.commit()
        ids = ["first", "slow", "last"]
        await detector.rate(*[body(0, GOOD, id=id_, client_id=f"client-{id_}") for id_ in ids])
        detector.tools = tools_with(ToyDetector(), ToyDetector("toy-9"))
        await execute(detector, SLOW_INSERT)
        metrics = ConsumerMetrics("detector")
        consumer = consumer_of(database_url, metrics)

        assert await take_up_blocked(consumer.transact, detector.tools, lambda _batch, _at_s: None) == 3
        assert await reading.rows(WAITING) == [(3,)]
        async with taking_up(consumer.transact, detector.tools, Health(SystemClock(), metrics)):
            await until(lambda: _are(reading, WAITING, 0))

        assert await reading.rows(REJECTED) == [("unprocessable", SLOW, "slow")]
        assert await reading.rows("SELECT rating_id FROM detector.rating ORDER BY 1") == [
            ("first",),
            ("last",),
        ]
        assert await broken(reading.conn) == {}


class Slow(ToyDetector):
    """Takes too long with one session, as many times as it is told."""

    def __init__(self, times: int) -> None:
        super().__init__()
        self.left = times

    def assess(self, dyads: Sequence[DyadForms]) -> list[DyadAssessments]:
        """Fold each dyad on its own."""
        if self.left and any(form.order.session_id == "m3" for dyad in dyads for form in dyad.forms):
            self.left -= 1
            raise psycopg.errors.QueryCanceled
        return super().assess(dyads)


@pytest.mark.parametrize(("times", "set_aside"), [(1 + ATTEMPTS, 0), (2 + ATTEMPTS, 1)])
async def test_a_session_that_met_a_slow_database_for_a_moment_is_not_set_aside(
    database_url: str, times: int, set_aside: int
) -> None:
    async with detector_driver(database_url) as detector, detector_driver(database_url) as reading:
        await detector.practice()
        await detector.rate(*many(MOST_FOLDS + 1))
        health = Health(SystemClock(), Metrics("detector"))
        async with taking_up(detector.transact, tools_with(Slow(times)), health):
            await until(lambda: _are(reading, WAITING, 0))
        assert len(await reading.rows(REJECTED)) == set_aside
        assert await reading.rows(ASSESSED) == [(MOST_FOLDS + 1 - set_aside,)]


async def test_nothing_is_set_aside_while_the_process_does_not_finish_even_known_work(
    database_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(take_up_in_turn, "SELF_CHECK_S", 0.05)
    goes_on = asyncio.Event()
    async with detector_driver(database_url) as detector, detector_driver(database_url) as reading:
        await detector.practice()
        await detector.rate(*many(MOST_FOLDS + 1))
        health = Health(SystemClock(), Metrics("detector"))
        slow = Slow(times=1_000)
        async with taking_up(detector.transact, tools_with(slow), health, goes_on.wait):
            await until(lambda: _has(lambda: slow.left < 1_000 - 2 - ATTEMPTS))
            stuck, rejected = health.stuck, await reading.rows(REJECTED)
            slow.left = 0
            goes_on.set()
            await until(lambda: _are(reading, WAITING, 0))
            stuck_afterwards = health.stuck
        assert (stuck, rejected, stuck_afterwards) == ((LOOP,), [], ())
        assert await reading.rows(ASSESSED) == [(MOST_FOLDS + 1,)]


async def _has(holds: Callable[[], bool]) -> bool:
    return holds()


class SlowOnClock(ToyDetector):
    """Takes a minute and fails with one client's sessions; notes whose sessions it was given."""

    def __init__(self, clock: ManualClock) -> None:
        super().__init__()
        self.clock = clock
        self.given: list[str] = []

    def assess(self, dyads: Sequence[DyadForms]) -> list[DyadAssessments]:
        """Fold each dyad on its own."""
        sessions = {form.order.session_id for dyad in dyads for form in dyad.forms}
        self.given.append("m3" if "m3" in sessions else " ".join(sorted({one[0] for one in sessions})))
        if "m3" in sessions:
            self.clock.move(60)
            raise psycopg.errors.QueryCanceled
        return super().assess(dyads)


async def test_what_takes_long_leaves_the_others_as_much_time(database_url: str) -> None:
    clock = ManualClock(NOW)
    model = SlowOnClock(clock)
    async with detector_driver(database_url) as detector, detector_driver(database_url) as reading:
        await detector.practice()
        others = many(5 * MOST_FOLDS, client_id="other")
        await detector.rate(
            *many(MOST_FOLDS + 1), *[one | {"session_id": f"o{one['session_id']}"} for one in others]
        )
        health = Health(clock, Metrics("detector"))
        async with taking_up(detector.transact, tools_with(model), health, clock=clock):

            async def is_done() -> bool:
                clock.move(0.02)
                return await reading.rows(WAITING) == [(0,)]

            await until(is_done)
        assert len(await reading.rows(REJECTED)) == 1
    # Together, then the slow client alone: one after another, but only when the others are done.
    assert model.given[:2] == ["m3", "m3"]
    assert model.given[2 : model.given.index("m3", 2)] == ["o"] * 5 + ["m"] * 3


async def test_only_the_record_that_failed_is_set_aside_and_not_while_another_process_has_it(
    database_url: str,
) -> None:
    failure = Reject("unprocessable", "too slow")
    async with detector_driver(database_url) as detector, detector_driver(database_url) as other:
        await detector.practice()
        records = [record_of(one, offset) for offset, one in enumerate(many(MOST_FOLDS + 1))]
        await detector.feed(records)
        at = position(detector.cluster_id, records[7])
        await other.conn.execute('SELECT FROM detector.blocked WHERE "offset" = 7 FOR UPDATE')
        await detector.transact(lambda tx: set_aside(tx, at, failure))
        while_locked = await detector.rows(REJECTED)
        await other.conn.rollback()
        await detector.transact(lambda tx: set_aside(tx, at, failure))
        await detector.transact(lambda tx: set_aside(tx, at, failure))

        assert while_locked == []
        assert await detector.rows('SELECT "offset" FROM detector.rejection') == [(7,)]
        assert await detector.rows(WAITING) == [(MOST_FOLDS,)]
