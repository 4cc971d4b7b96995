"""A clock that jumps ahead gives nothing up, and what it planned goes out once it is right, once only."""

from datetime import timedelta

import pytest

from services.notifier.channels.channel import MailTiming
from tests.support.detector.episodes import changed
from tests.support.notifier.batch_driver import NotifierDriver
from tests.support.notifier.mail_server import MailServer

AHEAD = timedelta(days=400)


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
    await notifier.sweep()
    assert await notifier.delivery_states() == [("email", "sent", None)]
    assert len(mail_server.mails) == 1


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
    notifier: NotifierDriver, mail_server: MailServer
) -> None:
    mail_server.data_replies.extend(["451 try later"] * 2)
    notifier.advance(AHEAD)  # past the database's clock, so that no further attempt comes by itself
    await notifier.handle(changed())
    await notifier.run_due_jobs()
    notifier.advance(AHEAD)
    await notifier.run_waiting_jobs()
    assert await notifier.delivery_states() == [("email", "retrying", "busy")]
    await notifier.run_waiting_jobs()
    assert await notifier.delivery_states() == [("email", "sent", None)]
    assert len(mail_server.mails) == 1
