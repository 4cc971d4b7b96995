"""One practice's receivers that hang delay neither another's messages nor anybody's sign-in."""

import asyncio
import socket
import time
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import pytest

from services.notifier.channels.channel import Channel
from services.notifier.channels.webhook_contact import WebhookContact
from services.notifier.deliveries import worker
from services.runtime.process.clock import SystemClock
from tests.flow.notifier.test_worker import working
from tests.support.detector.episodes import changed
from tests.support.notifier.batch_driver import NotifierDriver, running_notifier
from tests.support.notifier.mail_server import MailServer
from tests.support.notifier.webhook_receiver import WebhookReceiver

SECRET = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSwMfKQ9r8GKYo="
HANGING = 40
MORE_THAN_CALM_S = 10.0
SEVERAL = 8


@pytest.fixture
def hanging_url() -> Iterator[str]:
    """The address of a receiver that takes connections and never answers."""
    with socket.create_server(("127.0.0.1", 0), backlog=200) as server:
        yield f"http://127.0.0.1:{server.getsockname()[1]}/hook"


@pytest.fixture
async def notifier(
    database_url: str, tmp_path: Path, mail_server: MailServer, receiver: WebhookReceiver, hanging_url: str
) -> AsyncIterator[NotifierDriver]:
    """A practice with a receiver that hangs, and another one without."""
    async with running_notifier(
        database_url,
        tmp_path,
        smtp_port=mail_server.port,
        allow_private_webhooks=True,
        clock=SystemClock(),
    ) as ready:
        await ready.add_therapist(
            address=None,
            channels=(Channel.INBOX, Channel.WEBHOOK),
            contacts={Channel.WEBHOOK: WebhookContact(url=hanging_url, secret=SECRET)},
        )
        await ready.add_therapist(
            practice_id="south",
            therapist_id="t-2",
            address="t2@south.example",
            channels=(Channel.INBOX, Channel.EMAIL, Channel.WEBHOOK),
            contacts={Channel.WEBHOOK: WebhookContact(url=receiver.url + "/hook", secret=SECRET)},
        )
        yield ready


async def seconds_until_all_went_out(
    notifier: NotifierDriver, mail_server: MailServer, receiver: WebhookReceiver, name: str
) -> float:
    """Tell the calm practice of one episode and ask for a link; return how long its three messages took."""
    mails, webhooks = len(mail_server.mails) + 2, len(receiver.requests) + 1
    began = time.monotonic()
    await notifier.handle(changed(practice="south", therapist="t-2", episode=name, client=name))
    async with notifier.browser() as browser:
        asked = await browser.post("/sign-in/link", data={"address": "t2@south.example"})
    assert asked.status_code == 200
    async with asyncio.timeout(60):
        while len(mail_server.mails) < mails or len(receiver.requests) < webhooks:  # noqa: ASYNC110 - servers of other threads
            await asyncio.sleep(0.05)
    return time.monotonic() - began


async def test_a_receiver_that_hangs_delays_neither_anothers_messages_nor_a_sign_in(
    notifier: NotifierDriver, mail_server: MailServer, receiver: WebhookReceiver
) -> None:
    async with working(notifier):
        calm_s = await seconds_until_all_went_out(notifier, mail_server, receiver, "calm")
        await notifier.handle(*[changed(episode=f"h-{one}", client=f"c-{one}") for one in range(HANGING)])
        delayed_s = await seconds_until_all_went_out(notifier, mail_server, receiver, "beside")
        waiting = await notifier.rows(
            "SELECT count(*) FROM notifier.delivery WHERE practice_id = 'north' AND state <> 'sent'"
        )
    assert waiting == [(HANGING,)]
    assert delayed_s < calm_s + MORE_THAN_CALM_S


async def test_first_attempts_take_one_slot_of_a_practice_and_further_ones_have_their_own_queue(
    notifier: NotifierDriver,
) -> None:
    await notifier.handle(*[changed(episode=f"h-{one}", client=f"c-{one}") for one in range(3)])
    locks = "SELECT DISTINCT queue_name, lock FROM notifier_jobs.procrastinate_jobs"
    first = await notifier.rows(locks)
    await notifier.rows("UPDATE notifier.delivery SET state = 'retrying' RETURNING 1")
    await notifier.rows("DELETE FROM notifier_jobs.procrastinate_jobs RETURNING 1")
    await notifier.components.queue.sweep(notifier.components.pool, 10, notifier.clock.now())
    again = await notifier.rows(locks)
    assert first == [("webhook", "webhook/north")]
    assert {queue for queue, _ in again} == {"webhook-retries"}
    assert len(again) == 3


async def test_the_messages_of_a_practice_follow_one_another_without_a_pause(
    notifier: NotifierDriver, receiver: WebhookReceiver, monkeypatch: pytest.MonkeyPatch
) -> None:
    # Whatever waits for a worker's next look by itself is not sent within this test.
    monkeypatch.setattr(worker, "_POLL_S", 3600.0)
    names = [f"s-{number}" for number in range(SEVERAL)]
    async with working(notifier):
        await notifier.handle(
            *[changed(practice="south", therapist="t-2", episode=one, client=one) for one in names]
        )
        async with asyncio.timeout(60):
            while len(receiver.requests) < SEVERAL:  # noqa: ASYNC110 - a server of another thread
                await asyncio.sleep(0.05)
