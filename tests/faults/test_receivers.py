"""A mail server and receivers of webhooks that misbehave delay their own messages, and lose none."""

import asyncio
from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from datetime import UTC, datetime
from functools import partial
from pathlib import Path

from psycopg import AsyncConnection

from services.notifier.deliveries.failed import FailedFilter, count_failed, retry_failed
from tests.support.faults.fault_run import FaultRun, wait
from tests.support.faults.fleet import NOTIFIER
from tests.support.faults.gate import Gate
from tests.support.faults.hostile_receivers import Phase, Receivers
from tests.support.faults.observed import read_sink
from tests.support.faults.release_until import DEADLINE_S, release_until
from tests.support.faults.rows import Size, row
from tests.support.faults.sink_process import Sink

HANG_S = 10
"""How long an attempt waits for a receiver that does not answer."""
SLICES = 20
_ATTEMPTS = """
SELECT delivery_id::text, channel, reason, attempts FROM notifier.delivery
WHERE purpose = 'episode' AND practice_id = ANY(%s)
"""
_TOOK_S = """
SELECT channel, extract(epoch FROM max(coalesce(finished_at, now()) - created_at))::float
FROM notifier.delivery WHERE purpose = 'episode' AND practice_id = %s GROUP BY 1
"""
_FAILED = """
SELECT reason, count(*) FROM notifier.delivery
WHERE purpose = 'episode' AND state = 'failed' AND practice_id = ANY(%s) GROUP BY 1
"""

_WAITING = """
SELECT count(*) FROM notifier.delivery
WHERE purpose = 'episode' AND state IN ('pending', 'retrying') AND practice_id = ANY(%s)
"""


def attempts(run: FaultRun) -> dict[tuple[str, str, str], int]:
    """Return how often each message was attempted, by its id, its channel and its newest reason."""
    rows = run.fleet.query(_ATTEMPTS, list(run.practices))
    return {(str(one), str(channel), str(reason)): int(str(number)) for one, channel, reason, number in rows}


def wait_met(run: FaultRun, phase: Phase, gate: Gate) -> None:
    """Send ratings until a mail and a webhook call have met what goes wrong in this phase."""
    before = {one: number for (one, _, _), number in attempts(run).items()}
    wanted = {("email", phase.mail_reason)}
    if phase.webhook_reason:
        wanted.add(("webhook", phase.webhook_reason))

    def are_met() -> bool:
        now = attempts(run).items()
        return wanted <= {
            (channel, why) for (one, channel, why), number in now if number > before.get(one, 0)
        }

    release_until(gate, are_met, f"messages that show {phase.mail_reason} and {phase.webhook_reason}")


def took_s(run: FaultRun, practice: str) -> dict[str, float]:
    """Return for each channel how long a practice's slowest message took, or has taken until now."""
    return {str(channel): float(str(longest)) for channel, longest in run.fleet.query(_TOOK_S, practice)}


@contextmanager
def served_by(receivers: Receivers, run: FaultRun) -> Iterator[None]:
    """Run the receivers, and let the notifier use them for the duration of the block."""
    settings = {
        "NOTIFIER_SMTP_PORT": str(receivers.mail.port),
        "NOTIFIER_SMTP_TLS": "starttls",
        "NOTIFIER_SMTP_CA_FILE": str(receivers.ca_file),
        "NOTIFIER_SMTP_TIMEOUT_S": str(HANG_S),
        "NOTIFIER_WEBHOOK_TIMEOUT_S": str(HANG_S),
        "NOTIFIER_RETRY_FIRST_S": "1",
        "NOTIFIER_RETRY_CAP_S": "4",
    }
    with receivers.mail.running(), receivers.webhooks.running():
        run.fleet.restart([NOTIFIER], settings)
        try:
            yield
        finally:
            run.fleet.restart([NOTIFIER])


async def try_again(database_url: str, practices: Sequence[str], since: datetime) -> int:
    """Do what `rapport deliveries retry` does; return how many messages are tried again."""
    async with await AsyncConnection.connect(database_url) as conn:
        found = [await retry_failed(conn, FailedFilter(since, one), datetime.now(UTC)) for one in practices]
        return sum(sum(counts.values()) for counts in found)


async def still_to_retry(database_url: str, practices: Sequence[str], since: datetime) -> int:
    """Return how many messages could be tried again."""
    async with await AsyncConnection.connect(database_url) as conn:
        found = [await count_failed(conn, FailedFilter(since, one)) for one in practices]
        return sum(sum(counts.values()) for counts in found)


@row(scaled=800, full=8_000)
def test_receivers_misbehave(fault_run: FaultRun, size: Size, tmp_path: Path) -> str:
    """The mail server and a practice's webhook receiver are slow, down, hostile and forgetful in turn."""
    unlucky, calm = fault_run.practices
    fleet, began = fault_run.fleet, datetime.now(UTC)
    receivers = Receivers(Sink(fleet.sinks), tmp_path, unlucky)
    phases = list(receivers.phases())
    url = receivers.webhooks.url_of(unlucky)
    fleet.put_therapists(unlucky, fault_run.therapists_of(unlucky), url)
    with served_by(receivers, fault_run):
        with fault_run.sending(slices=SLICES) as gate:
            phases[0].begin()
            wait_met(fault_run, phases[0], gate)
            release_until(gate, lambda: len(took_s(fault_run, calm)) == 2, "the other practice's messages")
            while_others_hang_s = max(took_s(fault_run, calm).values())
            for phase in phases[1:]:
                phase.begin()
                wait_met(fault_run, phase, gate)
            receivers.recover()
        fault_run.wait_until_at_rest()
        refused = Counter(
            {str(why): int(str(n)) for why, n in fleet.query(_FAILED, list(fault_run.practices))}
        )
        assert set(refused) == {"address-refused", "redirected", "gone"}
        again = asyncio.run(try_again(fleet.database_url, fault_run.practices, began))
        wait(partial(is_all_sent, fault_run), "messages that were tried again", DEADLINE_S)
        assert asyncio.run(still_to_retry(fleet.database_url, fault_run.practices, began)) == 0
    assert while_others_hang_s < HANG_S, "messages of a practice waited for the receivers of another"
    webhooks_s = took_s(fault_run, calm)["webhook"]
    assert webhooks_s < HANG_S, "webhook calls of a practice waited for the receiver of another"
    mails = Counter(read_sink(fleet.sinks / "mails.ndjson", frozenset(fault_run.practices)))
    calls = Counter(read_sink(fleet.sinks / "webhooks.ndjson", frozenset(fault_run.practices)))
    unheard = receivers.mail.unheard
    assert set(unheard.values()) == {1}
    # One copy whose acceptance nobody heard of, and one that counts.
    assert {one: copies for one, copies in mails.items() if copies > 1 + unheard[one]} == {}
    assert set(calls.values()) == {1}
    twice = sum(copies == 2 for copies in mails.values())
    return (
        f"{len(phases)} states in turn, {sum(refused.values())} messages refused for good and {again} of them"
        f" sent after an operator had them tried again; {twice} mails came twice, under one Message-ID,"
        f" because the connection died after the first copy was accepted; the other practice waited"
        f" {while_others_hang_s:.1f} s at most while attempts hung for {HANG_S} s"
    )


def is_all_sent(run: FaultRun) -> bool:
    """Return whether no message waits."""
    return run.fleet.query(_WAITING, list(run.practices)) == [(0,)]
