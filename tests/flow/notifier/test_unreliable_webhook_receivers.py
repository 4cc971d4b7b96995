"""A receiver that misbehaves delays its webhooks: none is lost, and a second one has the id of the first."""

import socket
import ssl
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager
from functools import partial
from pathlib import Path
from typing import Any

import certifi
import pytest

from services.notifier.channels.channel import Channel
from services.notifier.channels.webhook_contact import WebhookContact
from services.notifier.settings import RetrySettings, WebhookSettings
from services.runtime.process.clock import SystemClock
from tests.support.certificate_authority import CertificateAuthority
from tests.support.detector.episodes import changed
from tests.support.notifier.batch_driver import NotifierDriver, running_notifier
from tests.support.notifier.unreliable_webhook_receiver import (
    Answer,
    UnreliableWebhookReceiver,
    answers,
    cuts,
    dribbles,
    keeps_silent,
    sends_an_endless_body,
    sends_endless_headers,
    sends_endless_preludes,
    speaks_no_http,
)

SECRET = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSwMfKQ9r8GKYo="
SENT = [("webhook", "sent", None)]
FIRST_PAUSE_S, LONGEST_PAUSE_S, TIMEOUT_S = 300, 600, 1.0


@pytest.fixture
def receiver() -> Iterator[UnreliableWebhookReceiver]:
    """A receiver without TLS."""
    with UnreliableWebhookReceiver().running() as ready:
        yield ready


@asynccontextmanager
async def notifier_beside(url: str, database_url: str, folder: Path) -> AsyncIterator[NotifierDriver]:
    """Run a notifier with one therapist in the directory, whose webhooks go to this URL."""
    async with running_notifier(
        database_url,
        folder,
        webhooks=WebhookSettings(allow_private_webhooks=True, webhook_timeout_s=TIMEOUT_S),
        retry=RetrySettings(retry_first_s=FIRST_PAUSE_S, retry_cap_s=LONGEST_PAUSE_S),
        clock=SystemClock(),
    ) as ready:
        await ready.add_therapist(
            address=None,
            channels=(Channel.INBOX, Channel.WEBHOOK),
            contacts={Channel.WEBHOOK: WebhookContact(url=url, secret=SECRET)},
        )
        yield ready


@pytest.fixture
async def notifier(
    database_url: str, tmp_path: Path, receiver: UnreliableWebhookReceiver
) -> AsyncIterator[NotifierDriver]:
    """The notifier beside the receiver without TLS."""
    async with notifier_beside(receiver.url, database_url, tmp_path) as ready:
        yield ready


FAULTS: dict[str, tuple[Answer, str]] = {
    "overloaded": (answers(503), "busy"),
    "too many requests": (answers(429), "busy"),
    "silent": (keeps_silent, "timed-out"),
    "slow": (dribbles, "timed-out"),
    "headers without end": (sends_endless_headers, "unreachable"),
    "announcements without end": (sends_endless_preludes, "timed-out"),
    "another protocol": (speaks_no_http, "unreachable"),
    "cut after it accepted the request": (cuts, "unreachable"),
}


@pytest.mark.parametrize(("fault", "reason"), FAULTS.values(), ids=FAULTS.keys())
async def test_a_webhook_waits_until_the_receiver_is_well_and_every_copy_has_the_same_id(
    notifier: NotifierDriver, receiver: UnreliableWebhookReceiver, fault: Answer, reason: str
) -> None:
    receiver.fault = fault
    await notifier.handle(changed())
    await notifier.run_due_jobs()
    assert await notifier.delivery_states() == [("webhook", "retrying", reason)]
    receiver.fault = None
    await notifier.run_waiting_jobs_until_none_is_retried()
    assert await notifier.delivery_states() == SENT
    first, second = receiver.requests
    assert (first.webhook_id, first.body) == (second.webhook_id, second.body)


async def test_a_webhook_waits_for_a_receiver_that_is_down_and_comes_back(
    notifier: NotifierDriver, receiver: UnreliableWebhookReceiver
) -> None:
    receiver.stop()
    await notifier.handle(changed())
    await notifier.run_due_jobs()
    assert await notifier.delivery_states() == [("webhook", "retrying", "unreachable")]
    receiver.start()
    await notifier.run_waiting_jobs_until_none_is_retried()
    assert await notifier.delivery_states() == SENT
    assert len(receiver.requests) == 1


async def test_a_body_without_end_is_not_read_and_the_webhook_counts_as_accepted(
    notifier: NotifierDriver, receiver: UnreliableWebhookReceiver
) -> None:
    receiver.fault = sends_an_endless_body
    await notifier.handle(changed())
    await notifier.run_due_jobs()
    await notifier.sweep()
    assert await notifier.delivery_states() == SENT
    assert len(receiver.requests) == 1


@pytest.mark.parametrize("status", [301, 302, 303, 307, 308])
async def test_a_redirect_is_not_followed_and_final(
    notifier: NotifierDriver, receiver: UnreliableWebhookReceiver, status: int
) -> None:
    receiver.fault = answers(status, [f"Location: {receiver.url}/elsewhere"])
    await notifier.handle(changed())
    await notifier.run_due_jobs()
    receiver.fault = None
    await notifier.sweep()
    assert await notifier.delivery_states() == [("webhook", "failed", "redirected")]
    assert [request.path for request in receiver.requests] == ["/hook"]


@pytest.mark.parametrize(
    ("retry_after", "least_s", "most_s"),
    [
        ("450", 450, 460),
        ("999999", LONGEST_PAUSE_S, LONGEST_PAUSE_S + 10),
        ("1", 150, 310),
        ("soon", 150, 310),
    ],
)
async def test_a_receiver_that_asks_for_a_pause_gets_it_up_to_the_longest(
    notifier: NotifierDriver,
    receiver: UnreliableWebhookReceiver,
    retry_after: str,
    least_s: float,
    most_s: float,
) -> None:
    receiver.fault = answers(429, [f"Retry-After: {retry_after}"])
    began = notifier.clock.now()
    await notifier.handle(changed())
    await notifier.run_due_jobs()
    ((next_try_at,),) = await notifier.rows("SELECT next_try_at FROM notifier.delivery")
    ended = notifier.clock.now()
    assert (next_try_at - began).total_seconds() >= least_s
    assert (next_try_at - ended).total_seconds() <= most_s


def resolve(as_usual: Callable[..., list[Any]], host: str, *more: object, **options: object) -> list[Any]:
    """Resolve one name to this machine, and all others as usual."""
    return as_usual("127.0.0.1" if host == "praxis-nördlich.example" else host, *more, **options)


async def test_a_host_with_letters_beyond_ascii_is_reached(
    database_url: str, tmp_path: Path, receiver: UnreliableWebhookReceiver, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(socket, "getaddrinfo", partial(resolve, socket.getaddrinfo))
    url = receiver.url.replace("127.0.0.1", "praxis-nördlich.example")
    async with notifier_beside(url, database_url, tmp_path) as notifier:
        await notifier.handle(changed())
        await notifier.run_due_jobs()
        assert await notifier.delivery_states() == SENT
    (request,) = receiver.requests
    assert request.headers["host"] == f"xn--praxis-nrdlich-2pb.example:{receiver.port}"


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
async def test_no_webhook_goes_to_a_receiver_whose_tls_is_not_trusted(
    database_url: str, tmp_path: Path, kind: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    authority, unknown = CertificateAuthority(tmp_path), CertificateAuthority(tmp_path)
    monkeypatch.setattr(certifi, "where", lambda: str(authority.file))
    with UnreliableWebhookReceiver(tls=TLS[kind](authority, unknown)).running() as receiver:
        url = f"https://localhost:{receiver.port}/hook"
        async with notifier_beside(url, database_url, tmp_path) as notifier:
            await notifier.handle(changed())
            await notifier.run_due_jobs()
            assert await notifier.delivery_states() == [("webhook", "retrying", REASONS[kind])]
            assert receiver.requests == []
            receiver.change_certificate(authority.server())
            await notifier.run_waiting_jobs_until_none_is_retried()
            assert await notifier.delivery_states() == SENT
            assert len(receiver.requests) == 1
