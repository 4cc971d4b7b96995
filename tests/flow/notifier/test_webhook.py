"""Webhooks to a real receiver: signed as the standard says, nothing more in them than an episode's id."""

import base64
import json
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from standardwebhooks.webhooks import Webhook

from services.notifier.channels.channel import Channel
from services.notifier.channels.webhook_contact import WebhookContact, contact_errors
from services.notifier.settings import WebhookSettings
from services.runtime.process.clock import SystemClock
from tests.support.detector.episodes import changed, episode_named
from tests.support.notifier.batch_driver import NotifierDriver, running_notifier
from tests.support.notifier.webhook_receiver import WebhookReceiver

SECRET = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSwMfKQ9r8GKYo="


async def _add(notifier: NotifierDriver, url: str, secret: str = SECRET) -> None:
    await notifier.add_therapist(
        address=None,
        channels=(Channel.INBOX, Channel.WEBHOOK),
        contacts={Channel.WEBHOOK: WebhookContact(url=url, secret=secret)},
    )


@pytest.fixture
async def notifier(
    database_url: str, tmp_path: Path, receiver: WebhookReceiver
) -> AsyncIterator[NotifierDriver]:
    async with running_notifier(
        database_url, tmp_path, allow_private_webhooks=True, clock=SystemClock()
    ) as ready:
        await _add(ready, receiver.url + "/hook")
        yield ready


async def test_a_webhook_carries_type_time_and_episode_and_a_signature_that_the_library_accepts(
    notifier: NotifierDriver, receiver: WebhookReceiver
) -> None:
    await notifier.handle(changed())
    await notifier.run_due_jobs()
    ((path, headers, body),) = receiver.requests
    verified = Webhook(SECRET).verify(body, headers)
    assert path == "/hook"
    assert {"type", "timestamp", "data"} == set(verified)
    assert ("episode.opened", {"episode_id": str(episode_named("one"))}) == (
        verified["type"],
        verified["data"],
    )


async def test_a_receiver_may_know_either_secret_while_it_is_changed(
    notifier: NotifierDriver, receiver: WebhookReceiver
) -> None:
    other = "whsec_" + base64.b64encode(b"x" * 32).decode()
    contact = WebhookContact(url=receiver.url + "/hook", secret=f"{other} {SECRET}")
    assert list(contact_errors(contact, WebhookSettings(allow_private_webhooks=True))) == []
    await _add(notifier, receiver.url + "/hook", secret=contact.secret)

    await notifier.handle(changed())
    await notifier.run_due_jobs()

    ((_, headers, body),) = receiver.requests
    assert len(headers["webhook-signature"].split(" ")) == 2
    assert Webhook(SECRET).verify(body, headers) == Webhook(other).verify(body, headers)


@pytest.mark.parametrize(
    "secret", ["", " ", f"{SECRET} ", f"{SECRET}  {SECRET}", " ".join([SECRET] * 3), "x"]
)
def test_a_secret_that_receivers_could_not_use_is_refused(secret: str) -> None:
    contact = WebhookContact(url="https://hooks.example/x", secret=secret)

    assert [one.field for one in contact_errors(contact, WebhookSettings())] == ["secret"]


async def test_nothing_personal_stands_in_a_webhook(
    notifier: NotifierDriver, receiver: WebhookReceiver
) -> None:
    await notifier.handle(changed())
    await notifier.run_due_jobs()
    path, headers, body = receiver.requests[0]
    text = path + json.dumps(headers) + body.decode()
    assert [word for word in ("canary", "t-1", "north", "4.87", "0.71", "goal", "s-9") if word in text] == []


@pytest.mark.parametrize("status", [500, 503, 429])
async def test_a_busy_receiver_gets_the_same_message_again(
    notifier: NotifierDriver, receiver: WebhookReceiver, status: int
) -> None:
    receiver.statuses.append(status)
    await notifier.handle(changed())

    async def was_sent() -> bool:
        return await notifier.delivery_states() == [("webhook", "sent", None)]

    await notifier.run_jobs_until(was_sent)
    first, second = receiver.requests
    assert first[2] == second[2]
    assert first[1]["webhook-id"] == second[1]["webhook-id"]


@pytest.mark.parametrize(
    ("status", "why"), [(400, "refused"), (404, "refused"), (410, "gone"), (307, "redirected")]
)
async def test_a_receiver_that_says_never_is_not_asked_again(
    notifier: NotifierDriver, receiver: WebhookReceiver, status: int, why: str
) -> None:
    receiver.statuses.append(status)
    await notifier.handle(changed())
    await notifier.run_due_jobs()
    assert [("webhook", "failed", why)] == await notifier.delivery_states()
    assert len(receiver.requests) == 1


@pytest.mark.parametrize(
    "url",
    [
        "https://127.0.0.1:{port}/hook",
        "https://localhost:{port}/hook",
        "https://[::1]:{port}/hook",
        "https://169.254.169.254/latest",
        "https://10.0.0.8/hook",
        "http://example.com/hook",
    ],
)
async def test_a_webhook_into_our_own_network_is_refused(
    database_url: str, tmp_path: Path, receiver: WebhookReceiver, url: str
) -> None:
    async with running_notifier(database_url, tmp_path, clock=SystemClock()) as strict:
        await _add(strict, url.format(port=receiver.url.rpartition(":")[2]))
        await strict.handle(changed())
        await strict.run_due_jobs()
        assert await strict.delivery_states() == [("webhook", "failed", "forbidden-target")]
    assert receiver.requests == []
