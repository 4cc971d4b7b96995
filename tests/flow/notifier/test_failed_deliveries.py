"""An operator has messages tried again that were given up, once the cause is removed."""

from datetime import timedelta

import pytest
from psycopg import AsyncConnection
from typer.testing import CliRunner

from services.cli.__main__ import application
from services.notifier.deliveries.failed import FailedFilter, count_failed, retry_failed
from tests.support.detector.episodes import NOW, changed
from tests.support.notifier.batch_driver import NotifierDriver
from tests.support.notifier.mail_server import MailServer

ALL = FailedFilter(NOW - timedelta(hours=1))
REFUSED = {("email", "address-refused"): 1}


async def fail(notifier: NotifierDriver) -> None:
    """Have a message given up."""
    await notifier.handle(changed())
    await notifier.rows(
        "UPDATE notifier.delivery SET state = 'failed', reason = 'address-refused', attempts = 3,"
        " tried_at = %s, finished_at = %s WHERE state = 'pending' RETURNING 1",
        NOW,
        NOW,
    )
    await notifier.rows("DELETE FROM notifier_jobs.procrastinate_jobs RETURNING 1")


async def retry(notifier: NotifierDriver, which: FailedFilter = ALL) -> dict[tuple[str, str], int]:
    """Do what the command does."""
    async with await AsyncConnection.connect(notifier.url) as conn:
        return await retry_failed(conn, which, notifier.clock.now())


async def test_a_failed_message_is_sent_once_after_the_address_was_corrected(
    notifier: NotifierDriver, mail_server: MailServer
) -> None:
    await fail(notifier)
    async with await AsyncConnection.connect(notifier.url) as conn:
        assert await count_failed(conn, ALL) == REFUSED
    assert await retry(notifier) == REFUSED
    assert await retry(notifier) == {}, "nothing is failed any more"

    await notifier.sweep()

    assert await notifier.delivery_states() == [("email", "sent", None)]
    assert await notifier.rows("SELECT attempts FROM notifier.delivery") == [(1,)]
    assert len(mail_server.mails) == 1


@pytest.mark.parametrize(
    "which",
    [
        FailedFilter(NOW + timedelta(seconds=1)),
        FailedFilter(ALL.since, practice="south"),
        FailedFilter(ALL.since, reason="refused"),
    ],
    ids=["since", "practice", "reason"],
)
async def test_only_what_is_meant_is_tried_again(notifier: NotifierDriver, which: FailedFilter) -> None:
    await fail(notifier)

    assert await retry(notifier, which) == {}
    assert await notifier.delivery_states() == [("email", "failed", "address-refused")]


@pytest.mark.parametrize("since_then", ["answer = 'discuss'", "state = 'settled'", "told_revision = 2"])
async def test_what_was_answered_closed_or_told_anew_since_stays_failed(
    notifier: NotifierDriver, since_then: str
) -> None:
    await fail(notifier)
    await notifier.rows(f"UPDATE notifier.item SET {since_then} RETURNING 1")

    assert await retry(notifier) == {}


def test_the_command_wants_to_know_what_and_since_when(
    database_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("DATABASE_URL", database_url)
    words = ["deliveries", "retry"]
    run = CliRunner()

    without_state = run.invoke(application(), [*words, "--since", "2026-11-28T20:00+01:00"])
    without_zone = run.invoke(application(), [*words, "--failed", "--since", "2026-11-28T20:00"])
    nothing = run.invoke(application(), [*words, "--failed", "--since", "2026-11-28T20:00+01:00"])

    assert [without_state.exit_code, without_zone.exit_code, nothing.exit_code] == [2, 2, 0]
    assert nothing.output == "No message failed since then.\n"
