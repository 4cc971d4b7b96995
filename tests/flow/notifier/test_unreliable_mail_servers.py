"""A mail server that misbehaves delays mail and loses none; a second copy has the Message-ID of the first."""

import asyncio
import ssl
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Literal

import pytest

from services.notifier.channels.channel import Channel
from services.notifier.deliveries.mail_plans import GIVE_UP_AFTER
from services.notifier.deliveries.retry_policy import BackOff
from services.notifier.settings import MailSettings, RetrySettings
from services.runtime.process.clock import SystemClock
from tests.support.certificate_authority import CertificateAuthority
from tests.support.detector.episodes import changed
from tests.support.notifier.batch_driver import MAIL_FROM, NotifierDriver, running_notifier
from tests.support.notifier.unreliable_mail_server import How, MailFault, Step, UnreliableMailServer

SENT = [("email", "sent", None)]
TIMEOUT_S = 1.0


@pytest.fixture
def server() -> Iterator[UnreliableMailServer]:
    """A mail server without TLS."""
    with UnreliableMailServer().running() as ready:
        yield ready


@asynccontextmanager
async def notifier_beside(
    server: UnreliableMailServer,
    database_url: str,
    folder: Path,
    tls: Literal["none", "starttls", "tls"] = "none",
    ca_file: Path | None = None,
) -> AsyncIterator[NotifierDriver]:
    """Run a notifier that mails over this server, with one therapist in the directory."""
    mail = MailSettings(
        mail_from=MAIL_FROM,
        smtp_port=server.port,
        smtp_tls=tls,
        smtp_ca_file=ca_file,
        smtp_timeout_s=TIMEOUT_S,
    )
    retry = RetrySettings(retry_first_s=300)
    async with running_notifier(database_url, folder, mail=mail, retry=retry, clock=SystemClock()) as ready:
        await ready.add_therapist()
        yield ready


@pytest.fixture
async def notifier(
    database_url: str, tmp_path: Path, server: UnreliableMailServer
) -> AsyncIterator[NotifierDriver]:
    """The notifier beside the server without TLS."""
    async with notifier_beside(server, database_url, tmp_path) as ready:
        yield ready


async def message_id(notifier: NotifierDriver) -> str:
    """Return the Message-ID that every copy of the one delivery has."""
    ((delivery,),) = await notifier.rows("SELECT delivery_id FROM notifier.delivery")
    return f"<{delivery}@rapport.example>"


FAULTS = {
    "no service": (MailFault(Step.CONNECT, reply="554 no service here"), "server-refuses"),
    "too many connections": (MailFault(Step.CONNECT, reply="421 too many connections"), "busy"),
    "silent from the beginning": (MailFault(Step.CONNECT, How.KEEPS_SILENT), "timed-out"),
    "a greeting without end": (MailFault(Step.CONNECT, How.DRIBBLES), "timed-out"),
    "another protocol": (MailFault(Step.CONNECT, reply="SSH-2.0-OpenSSH_9.2"), "server-refuses"),
    "features without end": (MailFault(Step.EHLO, How.DRIBBLES), "timed-out"),
    "a line without end": (MailFault(Step.EHLO, reply="250 " + "x" * 100_000), "server-refuses"),
    "sender refused": (MailFault(Step.MAIL, reply="550 5.1.8 bad sender"), "server-refuses"),
    "sender refused for now": (MailFault(Step.MAIL, reply="451 4.3.0 try later"), "busy"),
    "cut at the sender": (MailFault(Step.MAIL, How.CUTS), "unreachable"),
    "relaying refused": (MailFault(Step.RCPT, reply="554 5.7.1 relay access denied"), "server-refuses"),
    "mailbox full": (MailFault(Step.RCPT, reply="452 4.2.2 mailbox full"), "busy"),
    "no content now": (MailFault(Step.DATA, reply="452 4.3.1 no space"), "busy"),
    "content refused for now": (MailFault(Step.CONTENT, reply="451 4.7.1 try later"), "busy"),
    "a reply that means nothing": (MailFault(Step.CONTENT, reply="354 go on"), "server-refuses"),
    "silent after the content": (MailFault(Step.CONTENT, How.KEEPS_SILENT), "timed-out"),
}


@pytest.mark.parametrize(("fault", "reason"), FAULTS.values(), ids=FAULTS.keys())
async def test_mail_waits_until_the_server_is_well_and_is_accepted_once(
    notifier: NotifierDriver, server: UnreliableMailServer, fault: MailFault, reason: str
) -> None:
    server.fault = fault
    await notifier.handle(changed())
    await notifier.run_due_jobs()
    assert await notifier.delivery_states() == [("email", "retrying", reason)]
    assert failures(notifier) == {("email", reason): 1}
    assert server.accepted == []
    server.fault = None
    await notifier.run_waiting_jobs_until_none_is_retried()
    assert await notifier.delivery_states() == SENT
    assert server.message_ids() == [await message_id(notifier)]


async def test_mail_waits_for_a_server_that_is_down_and_comes_back(
    notifier: NotifierDriver, server: UnreliableMailServer
) -> None:
    server.stop()
    await notifier.handle(changed())
    await notifier.run_due_jobs()
    assert await notifier.delivery_states() == [("email", "retrying", "unreachable")]
    server.start()
    await notifier.run_waiting_jobs_until_none_is_retried()
    assert await notifier.delivery_states() == SENT
    assert server.message_ids() == [await message_id(notifier)]


async def test_a_server_that_greylists_accepts_the_second_attempt(
    notifier: NotifierDriver, server: UnreliableMailServer
) -> None:
    server.fault = MailFault(Step.RCPT, How.REPLIES_TO_FIRST, "450 4.2.0 greylisted")
    await notifier.handle(changed())
    await notifier.run_due_jobs()
    assert await notifier.delivery_states() == [("email", "retrying", "busy")]
    await notifier.run_waiting_jobs_until_none_is_retried()
    assert await notifier.delivery_states() == SENT
    assert server.message_ids() == [await message_id(notifier)]


async def test_mail_that_waited_goes_out_within_a_minute_of_the_servers_return(
    notifier: NotifierDriver, server: UnreliableMailServer
) -> None:
    server.stop()
    await notifier.handle(changed())
    await notifier.run_due_jobs()
    assert notifier.components.settings.retry.retry_first_s == 300, "the pause alone takes longer"
    worker = asyncio.create_task(notifier.components.worker.run())
    try:
        await asyncio.sleep(0)
        server.start()
        async with asyncio.timeout(60):
            while await notifier.delivery_states() != SENT:  # noqa: ASYNC110 - the table has no event
                await asyncio.sleep(0.1)
    finally:
        await notifier.components.worker.stop()
        await worker
    assert server.message_ids() == [await message_id(notifier)]


async def test_a_server_that_answers_all_the_time_is_no_reason_to_shorten_a_pause_twice(
    notifier: NotifierDriver, server: UnreliableMailServer
) -> None:
    server.fault = MailFault(Step.CONTENT, How.CUTS)
    await notifier.handle(changed())
    await notifier.run_due_jobs()
    queue, pool = notifier.components.queue, notifier.components.pool
    assert await queue.wait_for_server(pool, Channel.EMAIL)
    assert await queue.try_now(pool, Channel.EMAIL) == 1
    await notifier.run_due_jobs()
    assert await notifier.rows("SELECT attempts FROM notifier.delivery") == [(2,)]
    server.fault = MailFault(Step.RCPT, reply="452 4.2.2 mailbox full")
    await notifier.run_waiting_jobs()
    assert not await queue.wait_for_server(pool, Channel.EMAIL), "a full mailbox is not the server's fault"


async def test_a_copy_after_an_acceptance_that_nobody_heard_of_has_the_same_message_id(
    notifier: NotifierDriver, server: UnreliableMailServer
) -> None:
    server.fault = MailFault(Step.CONTENT, How.CUTS)
    await notifier.handle(changed())
    await notifier.run_due_jobs()
    assert await notifier.delivery_states() == [("email", "retrying", "unreachable")]
    server.fault = None
    await notifier.run_waiting_jobs_until_none_is_retried()
    assert await notifier.delivery_states() == SENT
    assert server.message_ids() == [await message_id(notifier)] * 2


@pytest.mark.parametrize("how", [How.CUTS, How.KEEPS_SILENT, How.DRIBBLES])
async def test_what_goes_wrong_after_the_acceptance_sends_no_second_copy(
    notifier: NotifierDriver, server: UnreliableMailServer, how: How
) -> None:
    server.fault = MailFault(Step.QUIT, how)
    await notifier.handle(changed())
    await notifier.run_due_jobs()
    assert await notifier.delivery_states() == SENT
    await notifier.sweep()
    assert server.message_ids() == [await message_id(notifier)]


FINAL = {
    "no such mailbox": (MailFault(Step.RCPT, reply="550 5.1.1 no such mailbox"), "address-refused"),
    "never this content": (MailFault(Step.CONTENT, reply="554 5.6.0 never"), "refused"),
    "never any content": (MailFault(Step.DATA, reply="550 never"), "refused"),
}


@pytest.mark.parametrize(("fault", "reason"), FINAL.values(), ids=FINAL.keys())
async def test_a_refusal_of_this_mail_is_final_stored_and_counted(
    notifier: NotifierDriver, server: UnreliableMailServer, fault: MailFault, reason: str
) -> None:
    server.fault = fault
    await notifier.handle(changed())
    await notifier.run_due_jobs()
    server.fault = None
    await notifier.sweep()
    assert await notifier.delivery_states() == [("email", "failed", reason)]
    assert server.accepted == []
    assert counted(notifier, "failed") == 1


async def test_mail_that_was_tried_often_enough_is_given_up_with_the_reason_and_counted(
    notifier: NotifierDriver, server: UnreliableMailServer
) -> None:
    server.fault = MailFault(Step.CONNECT, reply="554 no service here")
    await notifier.handle(changed())
    await notifier.run_due_jobs()
    retry = notifier.components.settings.retry
    back_off = BackOff(first_s=retry.retry_first_s, cap_s=retry.retry_cap_s)
    tried = back_off.tries_within(GIVE_UP_AFTER) - 1
    await notifier.rows("UPDATE notifier.delivery SET attempts = %s RETURNING 1", tried)
    await notifier.run_waiting_jobs()
    server.fault = None
    await notifier.sweep()
    assert await notifier.delivery_states() == [("email", "failed", "too-late")]
    assert server.accepted == []
    assert (counted(notifier, "retrying"), counted(notifier, "failed")) == (1, 1)


def counted(notifier: NotifierDriver, state: str) -> float:
    """Return how many attempts ended in this state, as the metric says."""
    labels = notifier.components.metrics.attempts.labels(channel="email", state=state)
    (sample, *_) = next(iter(labels.collect())).samples
    return sample.value


TLS: dict[str, Callable[[CertificateAuthority, CertificateAuthority], ssl.SSLContext | None]] = {
    "none": lambda _, __: None,
    "of an unknown authority": lambda _, unknown: unknown.server(),
    "of another host": lambda trusted, _: trusted.server(host="evil.example"),
    "expired": lambda trusted, _: trusted.server(expired=True),
    "of old protocols": lambda trusted, _: trusted.server_of_old_protocols(),
}
REASONS = dict.fromkeys(TLS, "not-trusted") | {
    # asyncio's servers end a handshake that fails without saying why.
    "of old protocols": "unreachable",
}


@pytest.mark.parametrize("kind", TLS)
@pytest.mark.parametrize("mode", ["starttls", "tls"])
async def test_no_mail_goes_to_a_server_whose_tls_is_not_trusted(
    database_url: str, tmp_path: Path, kind: str, mode: Literal["starttls", "tls"]
) -> None:
    authority, unknown = CertificateAuthority(tmp_path), CertificateAuthority(tmp_path)
    server = UnreliableMailServer(TLS[kind](authority, unknown), tls_first=mode == "tls")
    with server.running():
        async with notifier_beside(server, database_url, tmp_path, mode, authority.file) as notifier:
            await notifier.handle(changed())
            await notifier.run_due_jobs()
            assert await notifier.delivery_states() == [("email", "retrying", REASONS[kind])]
            assert server.accepted == []
            server.change_certificate(authority.server())
            await notifier.run_waiting_jobs_until_none_is_retried()
            assert await notifier.delivery_states() == SENT
            assert server.message_ids() == [await message_id(notifier)]


def failures(notifier: NotifierDriver) -> dict[tuple[str, str], float]:
    """Return the failed attempts by channel and reason, as the metric says."""
    return {
        (sample.labels["channel"], sample.labels["reason"]): sample.value
        for metric in notifier.components.metrics.delivery_failures.collect()
        for sample in metric.samples
        if sample.name.endswith("_total") and sample.value
    }
