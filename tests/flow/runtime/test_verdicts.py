"""What is too slow is halved, what collides is repeated at once, and what is away is waited for."""

import asyncio
import threading

import psycopg
import pytest

from services.runtime.postgres import connect
from services.runtime.process.errors import Collision
from tests.support.runtime.running_sample import until
from tests.support.runtime.sample_service import Sample


def fail(times: int, error: Exception, sample: Sample) -> None:
    """Let the next handlings of a batch fail."""
    left = times

    def before_work() -> None:
        nonlocal left
        if left:
            left -= 1
            raise error

    sample.before_work = before_work


async def test_a_batch_that_takes_too_long_is_halved_until_its_parts_fit(sample: Sample) -> None:
    values = [str(number) for number in range(16)]
    await sample.send(values)
    sample.seconds_a_record = 0.1
    process = sample.consumer(transaction_deadline_s=1.2)

    async with process():
        await until(lambda: sample.effects() == values, "all effects")
        await until(lambda: process.health.healthy, "readiness")

        assert process.value("rapport_batch_splits_total") >= 1
        assert process.value("rapport_retries_total", reason="too-much") == 0
        assert process.value("rapport_retries_total", reason="database") == 0
    assert sample.query("SELECT count(*) FROM sample.rejection") == [(0,)]


async def test_a_batch_between_whose_statements_too_much_time_passes_is_halved_until_its_parts_fit(
    sample: Sample, monkeypatch: pytest.MonkeyPatch
) -> None:
    limit = {"idle_in_transaction_session_timeout": "500ms"}
    monkeypatch.setattr(connect, "SESSION", {**connect.SESSION, **limit})
    values = [str(number) for number in range(16)]
    await sample.send(values)
    sample.idle_seconds_a_record = 0.05
    process = sample.consumer()

    async with process():
        await until(lambda: sample.effects() == values, "all effects")

        assert process.value("rapport_batch_splits_total") >= 1
        assert process.value("rapport_retries_total", reason="database") == 0
    assert sample.query("SELECT count(*) FROM sample.rejection") == [(0,)]


async def test_no_record_is_set_aside_while_the_process_does_not_finish_even_what_is_known_to_be_good(
    sample: Sample,
) -> None:
    goes_on = threading.Event()
    sample.in_thread = goes_on.wait
    await sample.send(["0", "1"])
    process = sample.consumer(transaction_deadline_s=0.3, self_check=lambda: asyncio.to_thread(goes_on.wait))

    try:
        async with process():
            await until(lambda: process.value("rapport_retries_total", reason="other") >= 2, "two tries")
            said = process.health.checks["consumer"], process.health.stuck
            set_aside = sample.query("SELECT count(*) FROM sample.rejection")
            goes_on.set()
            await until(lambda: sample.effects() == ["0", "1"], "all effects")
            await until(lambda: process.health.healthy, "readiness")
            stuck_afterwards = process.health.stuck
    finally:
        goes_on.set()

    assert "restart it if this lasts" in said[0]
    assert said[1] == ("consume",)
    assert set_aside == [(0,)]
    assert stuck_afterwards == ()


async def test_a_record_that_alone_takes_too_long_is_set_aside_and_the_others_take_effect(
    sample: Sample,
) -> None:
    await sample.send(["0", "slow", "1", "2"])

    async with sample.consumer(transaction_deadline_s=0.7)():
        await until(lambda: sample.effects() == ["0", "1", "2"], "all but the slow one")

    assert sample.query('SELECT reason, detail, "offset" FROM sample.rejection') == [
        ("unprocessable", "TooMuch: a transaction took longer than 0.7 s", 1)
    ]


async def test_a_record_that_met_a_slow_database_once_is_not_set_aside(sample: Sample) -> None:
    await sample.send(["1"])
    fail(1, psycopg.errors.QueryCanceled(), sample)

    async with sample.consumer()():
        await until(lambda: sample.effects() == ["1"])

    assert sample.query("SELECT count(*) FROM sample.rejection") == [(0,)]


@pytest.mark.parametrize("error", [Collision("claimed"), psycopg.errors.DeadlockDetected()])
async def test_a_collision_is_repeated_at_once(sample: Sample, error: Exception) -> None:
    values = [str(number) for number in range(10)]
    await sample.send(values)
    fail(2, error, sample)
    process = sample.consumer()

    async with process():
        await until(lambda: sample.effects() == values, "all effects")

        assert process.value("rapport_batch_splits_total") == 0
        assert process.value("rapport_retries_total", reason="database") == 0
    assert sample.query("SELECT count(*) FROM sample.rejection") == [(0,)]


async def test_a_record_that_collides_again_and_again_is_set_aside(sample: Sample) -> None:
    await sample.send(["0", "claimed", "1"])

    async with sample.consumer()():
        await until(lambda: sample.effects() == ["0", "1"], "all but the one that collides")

    assert sample.query('SELECT reason, "offset" FROM sample.rejection') == [("unprocessable", 1)]


async def test_a_deadlock_at_every_attempt_is_waited_for_and_nothing_is_set_aside(sample: Sample) -> None:
    await sample.send(["1"])
    fail(7, psycopg.errors.DeadlockDetected(), sample)
    process = sample.consumer()

    async with process():
        await until(lambda: sample.effects() == ["1"])

        assert process.value("rapport_retries_total", reason="database") == 2
    assert sample.query("SELECT count(*) FROM sample.rejection") == [(0,)]


async def test_only_a_finished_batch_sets_the_consumers_check_good(sample: Sample) -> None:
    await sample.send(["1"])
    seen: list[bool] = []
    process = sample.consumer()

    def before_work() -> None:
        if len(seen) < 4:
            seen.append(process.health.checks["consumer"] == "good")
            raise psycopg.OperationalError

    sample.before_work = before_work
    async with process():
        await until(lambda: sample.effects() == ["1"])
        await until(lambda: process.health.healthy, "readiness")

    assert seen == [True, False, False, False]


async def test_a_record_whose_owner_cannot_be_read_is_set_aside_without_one(sample: Sample) -> None:
    def unreadable(_record: object) -> tuple[None, None]:
        raise RecursionError

    await sample.send(["poison", "1"])

    async with sample.consumer(owner_of=unreadable)():
        await until(lambda: sample.effects() == ["1"])

    assert sample.query("SELECT reason, tenant FROM sample.rejection") == [("unprocessable", None)]


async def test_setting_aside_does_not_fail_because_of_what_the_record_holds(sample: Sample) -> None:
    await sample.send(["\0", "1"])

    async with sample.consumer(owner_of=lambda _record: ("t\0", "s" * 5_000))():
        await until(lambda: sample.effects() == ["1"])

    assert sample.query("SELECT reason, tenant, subject_id, value FROM sample.rejection") == [
        ("unprocessable", None, None, b"\0")
    ]
