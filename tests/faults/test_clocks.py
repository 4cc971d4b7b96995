"""Clocks that jump by days, and the changes of daylight-saving time, lose nothing and tell nobody twice."""

import time
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from functools import partial
from pathlib import Path
from zoneinfo import ZoneInfo

import pytest

from schemas.topics import PARTITIONS
from tests.support.faults.faked_clock import LISTENED_AFTER_S, FakedClock
from tests.support.faults.fault_run import FaultRun, wait
from tests.support.faults.fleet import NOTIFIER, READY_DEADLINE_S
from tests.support.faults.hostile_receivers import HostileMailServer, HostileWebhookReceiver
from tests.support.faults.observed import read_sink
from tests.support.faults.release_until import DEADLINE_S, release_until
from tests.support.faults.rows import Size, row
from tests.support.faults.sink_process import Sink
from tests.support.notifier.unreliable_webhook_receiver import answers

JUMPS_DAYS = (4, -3, 30, 0)
"""How far the clocks are ahead, one jump after the other: also by more than mail is attempted."""
SHORTEST_PAUSE_S = 2.0
SETTINGS = {"NOTIFIER_RETRY_FIRST_S": "4", "NOTIFIER_RETRY_CAP_S": "8", "NOTIFIER_SWEEP_S": "1"}
"""Jitter shortens the first pause to `SHORTEST_PAUSE_S`."""
PROMISED_S = 60.0
"""Within this time of its return, messages that waited for a receiver are to be sent."""
SLICES = 20
BERLIN = ZoneInfo("Europe/Berlin")
MORNINGS = (datetime(2026, 10, 25, 7, tzinfo=BERLIN), datetime(2027, 3, 28, 7, tzinfo=BERLIN))
"""The first mornings after the clocks went back, and after they went forward."""
_WAITING = """
SELECT count(DISTINCT channel), coalesce(max(attempts), 0) FROM notifier.delivery
WHERE purpose = 'episode' AND state = 'retrying' AND practice_id = ANY(%s)
"""
_OPEN = """
SELECT count(*) FROM notifier.delivery
WHERE purpose = 'episode' AND state IN ('pending', 'retrying') AND practice_id = ANY(%s)
"""
_FAILED = """
SELECT channel, reason, attempts FROM notifier.delivery
WHERE purpose = 'episode' AND state = 'failed' AND practice_id = ANY(%s)
"""
_PLANNED = """
SELECT count(DISTINCT practice_id) FROM notifier.delivery
WHERE channel = 'email' AND state = 'pending' AND practice_id = ANY(%s)
"""
_SWEPT = "SELECT count(*) FROM detector.sweep WHERE day = (now() AT TIME ZONE 'utc')::date"
_TRIED = """
SELECT DISTINCT due_at, due_reason FROM notifier.delivery
WHERE channel = 'email' AND state = 'retrying' AND practice_id = %s
"""


@contextmanager
def with_clock(
    run: FaultRun, clock: FakedClock, names: Sequence[str], settings: Mapping[str, str]
) -> Iterator[None]:
    """Let these processes have this clock and these settings for the duration of the block."""
    run.fleet.restart(names, {**clock.environment, **settings})
    try:
        yield
    finally:
        run.fleet.restart(names)


def assert_each_arrived_once(run: FaultRun) -> None:
    """Assert that every mail and every webhook call was received only once."""
    for kind in ("mails", "webhooks"):
        received = Counter(read_sink(run.fleet.sinks / f"{kind}.ndjson", frozenset(run.practices)))
        assert set(received.values()) == {1}, kind


@pytest.mark.faketime
@row(scaled=400, full=4_000, in_ci=False)
def test_clocks_jump(fault_run: FaultRun, size: Size, tmp_path: Path) -> str:
    """The clocks of a detector and the notifier jump ahead by 4 days, back by 7, ahead by 33, back by 30."""
    fleet, practices = fault_run.fleet, list(fault_run.practices)
    clock, sink = FakedClock(tmp_path / "clock"), Sink(fleet.sinks)
    mail, webhooks = HostileMailServer(sink), HostileWebhookReceiver(sink)
    for practice in practices:
        fleet.put_therapists(practice, fault_run.therapists_of(practice), webhooks.url_of(practice))
    settings = {**SETTINGS, "NOTIFIER_SMTP_PORT": str(mail.port)}
    jumping = (fleet.detectors[0], NOTIFIER)
    slowest_s, most_attempts = 0.0, 0
    with mail.running(), webhooks.running(), with_clock(fault_run, clock, jumping, settings):
        with fault_run.sending(slices=SLICES) as gate:
            for days in JUMPS_DAYS:
                mail.stop()
                webhooks.fault = answers(503)
                began = time.monotonic()
                release_until(gate, lambda: fleet.query(_WAITING, practices)[0][0] == 2, "waiting messages")
                clock.set_ahead(timedelta(days=days))
                gate.release()
                for name in jumping:
                    fault_run.measure_recovery(name)
                fleet.query("DELETE FROM detector.sweep")
                wait(lambda: fleet.query(_SWEPT) == [(PARTITIONS,)], "the daily sweep", DEADLINE_S)
                assert fleet.query(_FAILED, practices) == []
                attempts = int(str(fleet.query(_WAITING, practices)[0][1]))
                assert attempts <= 2 + (time.monotonic() - began) / SHORTEST_PAUSE_S, "pauses were left out"
                mail.start()
                webhooks.fault = None
                began = time.monotonic()
                wait(lambda: fleet.query(_OPEN, practices) == [(0,)], "messages that waited", DEADLINE_S)
                slowest_s = max(slowest_s, time.monotonic() - began)
                most_attempts = max(attempts, most_attempts)
                for name in jumping:
                    fleet.processes[name].wait_ready(READY_DEADLINE_S)
        fault_run.wait_until_at_rest()
    assert slowest_s < PROMISED_S
    assert_each_arrived_once(fault_run)
    return (
        f"{len(JUMPS_DAYS)} jumps, each with mails and webhook calls that waited for a receiver and were sent"
        f" within {slowest_s:.0f} s of its return, after {most_attempts} attempts at most"
    )


@pytest.mark.faketime
@row(scaled=400, full=4_000, in_ci=False)
def test_daylight_saving_time(fault_run: FaultRun, size: Size, tmp_path: Path) -> str:
    """The notifier's clock passes the end and the beginning of daylight-saving time."""
    fleet, practices = fault_run.fleet, list(fault_run.practices)
    evening, morning = practices
    fleet.set_options(evening, {"mail_timing": "daily", "mail_hour": "19"})
    fleet.set_options(morning, {"mail_timing": "daily", "mail_hour": "7"})
    clock, mail = FakedClock(tmp_path / "clock"), HostileMailServer(Sink(fleet.sinks))
    settings = {**SETTINGS, "NOTIFIER_SMTP_PORT": str(mail.port)}
    with mail.running(), with_clock(fault_run, clock, [NOTIFIER], settings):
        with fault_run.sending(slices=SLICES) as gate:
            for seven in MORNINGS:
                before = len(mail.accepted)
                # On the clock of the wall, which is another after the night.
                clock.set_to(seven - timedelta(hours=12, minutes=40))
                fault_run.let_pass(LISTENED_AFTER_S)
                release_until(gate, lambda: fleet.query(_PLANNED, practices) == [(2,)], "planned mails")
                fault_run.measure_recovery(NOTIFIER)
                mail.stop()
                clock.set_to(seven - timedelta(hours=11, minutes=55))
                wait(lambda: fleet.query(_TRIED, evening) != [], "an attempt at 19:00", DEADLINE_S)
                clock.set_to(seven - timedelta(hours=10, minutes=30))
                # In quiet hours, a further attempt waits for seven o'clock of the new time.
                put_off = [(seven.astimezone(UTC), "quiet-hours")]
                wait(partial(is_all_put_off, fault_run, evening, put_off), "it is put off", DEADLINE_S)
                mail.start()
                clock.set_to(seven.astimezone(UTC) - timedelta(minutes=20))
                fault_run.let_pass(2 * LISTENED_AFTER_S)
                assert len(mail.accepted) == before, "mail went out in quiet hours"
                clock.set_to(seven.astimezone(UTC) + timedelta(minutes=1))
                wait(lambda: fleet.query(_OPEN, practices) == [(0,)], "mail at seven", DEADLINE_S)
                assert len(mail.accepted) > before
        for name in (fleet.detectors[0], NOTIFIER):
            fault_run.measure_recovery(name)
        clock.set_to(MORNINGS[-1] + timedelta(days=3))
        fault_run.wait_until_at_rest()
    assert_each_arrived_once(fault_run)
    return (
        f"{len(MORNINGS)} nights: daily mail, and mail that quiet hours put off, went out at 7:00 of the new"
        " time"
    )


def is_all_put_off(run: FaultRun, practice: str, until: list[tuple[datetime, str]]) -> bool:
    """Return whether all mail of a practice that was attempted waits until then."""
    return run.fleet.query(_TRIED, practice) == until
