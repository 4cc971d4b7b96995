"""A clock that jumps gives nothing up, and what it planned goes out once it is right, once only."""

from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from services.notifier.channels.channel import MailTiming
from services.notifier.settings import RetrySettings
from tests.support.detector.episodes import changed
from tests.support.notifier.batch_driver import NotifierDriver, running_notifier
from tests.support.notifier.mail_server import MailServer

AHEAD = timedelta(days=400)
PAUSE = timedelta(minutes=5)


@pytest.fixture
async def patient(
    database_url: str, tmp_path: Path, mail_server: MailServer
) -> AsyncIterator[NotifierDriver]:
    """A notifier whose first pause is longer than the test."""
    retry = RetrySettings(retry_first_s=PAUSE.total_seconds())
    async with running_notifier(database_url, tmp_path, smtp_port=mail_server.port, retry=retry) as ready:
        await ready.add_therapist()
        yield ready


@pytest.mark.parametrize("reply", [None, "451 try later"], ids=["not attempted", "attempted in vain"])
async def test_a_mail_of_a_clock_that_was_ahead_goes_out_when_it_is_set_back(
    notifier: NotifierDriver, mail_server: MailServer, reply: str | None
) -> None:
    notifier.advance(AHEAD)
    await notifier.handle(changed())
    if reply:
        mail_server.data_replies.append(reply)
        await notifier.run_due_jobs()
    notifier.advance(-AHEAD)
    await notifier.sweep()
    await notifier.run_waiting_jobs()
    assert await notifier.delivery_states() == [("email", "sent", None)]
    assert len(mail_server.mails) == 1


@pytest.mark.parametrize("beside_the_databases", [AHEAD, -AHEAD], ids=["ahead", "behind"])
async def test_a_pause_is_as_long_as_ever_where_our_clock_and_the_databases_differ(
    patient: NotifierDriver, mail_server: MailServer, beside_the_databases: timedelta
) -> None:
    patient.advance(datetime.now(UTC) + beside_the_databases - patient.clock.now())
    mail_server.data_replies.append("451 try later")
    await patient.handle(changed())
    await patient.run_due_jobs()
    await patient.sweep()
    assert await patient.delivery_states() == [("email", "retrying", "busy")], "it did not wait"
    ((pause,),) = await patient.rows("SELECT scheduled_at - now() FROM notifier_jobs.procrastinate_jobs")
    assert PAUSE / 4 < pause <= PAUSE
    await patient.run_waiting_jobs()
    assert await patient.delivery_states() == [("email", "sent", None)]


async def test_a_planned_mail_of_a_clock_that_was_ahead_is_planned_anew_when_it_is_set_back(
    notifier: NotifierDriver, mail_server: MailServer
) -> None:
    await notifier.add_therapist(mail_timing=MailTiming.DAILY)
    notifier.advance(AHEAD)
    await notifier.handle(changed())
    notifier.advance(-AHEAD)
    await notifier.sweep()
    ((due_at, give_up_at),) = await notifier.rows("SELECT due_at, give_up_at FROM notifier.delivery")
    assert timedelta() < due_at - notifier.clock.now() <= timedelta(days=1)
    assert give_up_at - due_at == timedelta(days=3)
    notifier.advance(timedelta(days=1))
    await notifier.sweep()
    assert await notifier.delivery_states() == [("email", "sent", None)]
    assert len(mail_server.mails) == 1


async def test_a_mail_that_waits_for_its_time_is_left_alone(
    notifier: NotifierDriver, mail_server: MailServer
) -> None:
    await notifier.add_therapist(mail_timing=MailTiming.DAILY)
    await notifier.handle(changed())
    planned = await notifier.rows("SELECT due_at FROM notifier.delivery")
    await notifier.sweep()
    assert await notifier.rows("SELECT due_at FROM notifier.delivery") == planned
    assert mail_server.mails == []


async def test_mail_that_waits_while_the_clock_jumps_ahead_is_not_given_up(
    patient: NotifierDriver, mail_server: MailServer
) -> None:
    mail_server.data_replies.extend(["451 try later"] * 2)
    await patient.handle(changed())
    await patient.run_due_jobs()
    patient.advance(AHEAD)
    await patient.run_waiting_jobs()
    assert await patient.delivery_states() == [("email", "retrying", "busy")]
    await patient.run_waiting_jobs()
    assert await patient.delivery_states() == [("email", "sent", None)]
    assert len(mail_server.mails) == 1
