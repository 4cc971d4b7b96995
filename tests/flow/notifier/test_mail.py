"""Mail over a real SMTP server: delivered once accepted, tried again while it may help, and never telling."""

from collections.abc import AsyncIterator
from datetime import timedelta
from pathlib import Path

import pytest

from schemas.events import Change
from services.notifier.directory.store import PracticeOptions
from services.runtime.process.clock import SystemClock
from tests.support.detector.episodes import changed
from tests.support.notifier.batch_driver import NotifierDriver, running_notifier
from tests.support.notifier.mail_server import MailServer, running
from tests.support.ports import free_port


@pytest.fixture
async def notifier(
    database_url: str, tmp_path: Path, mail_server: MailServer
) -> AsyncIterator[NotifierDriver]:
    async with running_notifier(
        database_url, tmp_path, smtp_port=mail_server.port, clock=SystemClock()
    ) as ready:
        await ready.add_therapist()
        yield ready


async def test_one_mail_is_sent_with_a_sentence_and_a_link(
    notifier: NotifierDriver, mail_server: MailServer
) -> None:
    await notifier.handle(changed())
    await notifier.run_due_jobs()
    (mail,) = mail_server.mails
    assert mail["Subject"] == "For your next session"
    assert mail["From"] == "Rapport <no-reply@rapport.example>"
    assert (mail["Auto-Submitted"], mail["Content-Language"]) == ("auto-generated", "en")
    assert mail_server.recipients == ["t1@north.example"]
    plain = mail.get_body(("plain",))
    assert plain is not None
    text = plain.get_content()
    assert "http://rapport.example/sign-in?token=" in text
    assert "http://rapport.example/settings" in text
    html = mail.get_body(("html",))
    assert html is not None
    assert "Two minutes, nothing urgent" in html.get_content()
    assert await notifier.delivery_states() == [("email", "sent", None)]


async def test_mail_speaks_the_therapists_language(notifier: NotifierDriver, mail_server: MailServer) -> None:
    await notifier.add_therapist(locale="de-AT")
    await notifier.handle(changed())
    await notifier.run_due_jobs()
    (mail,) = mail_server.mails
    assert (mail["Subject"], mail["Content-Language"]) == ("Für Ihre nächste Sitzung", "de")


async def test_mail_is_signed_by_the_practice_and_names_the_day_of_a_near_stated_session(
    notifier: NotifierDriver, mail_server: MailServer
) -> None:
    name = 'Praxis "Nördlich", Zürich'
    await notifier.set_practice(PracticeOptions("north", display_name=name))
    now = notifier.clock.now()
    for number, days in enumerate((2, 6, 7)):
        session = now + timedelta(days=days)
        change = changed(episode=f"e-{number}", client=f"c-{number}", session_at=now, next_session_at=session)
        await notifier.handle(change)
        await notifier.run_due_jobs()
    weekdays = [f"{now + timedelta(days=days):%A}" for days in (2, 6)]
    assert [mail["Subject"] for mail in mail_server.mails] == [
        *(f"For your session on {weekday}" for weekday in weekdays),
        "For your next session",
    ]
    (sender,) = mail_server.mails[0]["From"].addresses
    assert (sender.display_name, sender.addr_spec) == (f"Rapport for {name}", "no-reply@rapport.example")


async def test_mail_waits_for_a_server_that_is_down_and_is_delivered_once(
    database_url: str, tmp_path: Path
) -> None:
    port = free_port()
    async with running_notifier(database_url, tmp_path, smtp_port=port, clock=SystemClock()) as notifier:
        await notifier.add_therapist()
        await notifier.handle(changed())

        async def was_retried() -> bool:
            return await notifier.delivery_states() == [("email", "retrying", "unreachable")]

        async def was_sent() -> bool:
            return await notifier.delivery_states() == [("email", "sent", None)]

        await notifier.run_jobs_until(was_retried)
        with running(MailServer(port=port)) as mail_server:
            await notifier.run_jobs_until(was_sent)
            await notifier.run_due_jobs()
            assert len(mail_server.mails) == 1


@pytest.mark.parametrize("reply", ["451 try later", "421 busy"])
async def test_a_temporary_refusal_is_tried_again_under_the_same_id(
    notifier: NotifierDriver, mail_server: MailServer, reply: str
) -> None:
    mail_server.data_replies.append(reply)
    await notifier.handle(changed())

    async def was_sent() -> bool:
        return await notifier.delivery_states() == [("email", "sent", None)]

    await notifier.run_jobs_until(was_sent)
    ((attempts, delivery),) = await notifier.rows("SELECT attempts, delivery_id FROM notifier.delivery")
    assert (2, f"<{delivery}@rapport.example>") == (attempts, mail_server.mails[0]["Message-ID"])


async def test_a_permanent_refusal_is_not_tried_again(
    notifier: NotifierDriver, mail_server: MailServer
) -> None:
    mail_server.data_replies.append("550 never")
    await notifier.handle(changed())
    await notifier.run_due_jobs()
    assert await notifier.delivery_states() == [("email", "failed", "refused")]
    assert await notifier.rows("SELECT count(*) FROM notifier_jobs.procrastinate_jobs") == [(0,)]


async def test_a_refused_address_is_not_tried_again(
    notifier: NotifierDriver, mail_server: MailServer
) -> None:
    mail_server.recipient_replies.append("550 no such mailbox")
    await notifier.handle(changed())
    await notifier.run_due_jobs()
    assert await notifier.delivery_states() == [("email", "failed", "address-refused")]


async def test_an_address_that_would_be_decoded_into_another_gets_no_mail(
    notifier: NotifierDriver, mail_server: MailServer
) -> None:
    await notifier.add_therapist(address="=?utf-8?q?x=40evil.example=2C?=t1@north.example")
    await notifier.handle(changed())
    await notifier.run_due_jobs()
    assert mail_server.mails == []
    assert await notifier.delivery_states() == [("email", "failed", "address-refused")]


async def test_what_was_withdrawn_in_time_is_not_sent(
    notifier: NotifierDriver, mail_server: MailServer
) -> None:
    await notifier.handle(changed())
    await notifier.handle(changed(Change.WITHDRAWN, 2))
    await notifier.run_due_jobs()
    assert mail_server.mails == []
    assert await notifier.delivery_states() == [("email", "cancelled", "withdrawn")]


async def test_a_delivery_without_a_job_is_taken_up_by_the_sweep(
    notifier: NotifierDriver, mail_server: MailServer
) -> None:
    await notifier.handle(changed())
    async with notifier.components.pool.connection() as conn:
        await conn.execute("DELETE FROM notifier_jobs.procrastinate_jobs")
    assert await notifier.components.queue.sweep(notifier.components.pool, 10, notifier.clock.now()) == 1
    assert await notifier.components.queue.sweep(notifier.components.pool, 10, notifier.clock.now()) == 0
    await notifier.run_due_jobs()
    assert len(mail_server.mails) == 1


async def test_an_attempt_whose_worker_died_is_taken_up_by_the_sweep(
    notifier: NotifierDriver, mail_server: MailServer
) -> None:
    await notifier.handle(changed())
    async with notifier.components.pool.connection() as conn:
        # As a worker leaves it that was killed and whose heartbeat was given up.
        await conn.execute("UPDATE notifier_jobs.procrastinate_jobs SET status = 'doing', worker_id = NULL")
    assert await notifier.components.queue.sweep(notifier.components.pool, 10, notifier.clock.now()) == 1
    await notifier.run_due_jobs()
    assert len(mail_server.mails) == 1


CLINICAL = (
    "alliance",
    "rupture",
    "bond",
    "goal",
    "risk",
    "score",
    "rating",
    "client",
    "strain",
    "therap",
    "srs",
)
CANARIES = ("canary", "4.87", "8.61", "3.74", "0.7134", "s-9", "t-1", "north/")


async def test_nothing_personal_or_clinical_stands_in_a_mail(
    notifier: NotifierDriver, mail_server: MailServer
) -> None:
    await notifier.handle(changed(), changed(Change.DEEPENED, 2))
    await notifier.run_due_jobs()
    assert len(mail_server.mails) == 2
    for mail in mail_server.mails:
        body = "".join(part.get_content() for part in mail.walk() if not part.is_multipart())
        headers = "".join(f"{name}: {value}\n" for name, value in mail.items() if name != "To")
        text = (headers + body).lower()
        assert [word for word in (*CLINICAL, *CANARIES) if word in text] == []


async def test_nothing_personal_or_clinical_stands_in_the_log(
    notifier: NotifierDriver,
    mail_server: MailServer,
    capfd: pytest.CaptureFixture[str],
    caplog: pytest.LogCaptureFixture,
) -> None:
    mail_server.data_replies.append("451 c-canary-77 try later")
    caplog.set_level("DEBUG")
    await notifier.handle(changed())

    async def was_sent() -> bool:
        return await notifier.delivery_states() == [("email", "sent", None)]

    await notifier.run_jobs_until(was_sent)
    out, err = capfd.readouterr()
    # The mail server of the test logs what it gets: that is not our log.
    ours = [one.getMessage() for one in caplog.records if not one.name.startswith("mail")]
    logged = out + err + "\n".join(ours)
    assert "delivery-attempted" in logged
    assert [word for word in ("canary", "4.87", "8.61", "0.7134", "t1@north") if word in logged] == []
