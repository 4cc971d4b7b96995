"""Operators try a practice's webhooks, and send again what a receiver has lost, under the same ids."""

import asyncio
import json
from collections.abc import AsyncIterator
from datetime import datetime, timedelta
from pathlib import Path

import pytest
from standardwebhooks.webhooks import Webhook
from typer.testing import CliRunner, Result

from services.cli.__main__ import application
from services.notifier.channels.channel import Channel
from services.notifier.channels.webhook_contact import WebhookContact
from services.runtime.process.clock import SystemClock
from tests.support.detector.episodes import changed
from tests.support.notifier.batch_driver import NotifierDriver, running_notifier
from tests.support.notifier.webhook_receiver import WebhookReceiver

SECRET = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSwMfKQ9r8GKYo="
LONG_AGO = "2020-01-01T00:00+00:00"


@pytest.fixture
async def notifier(
    database_url: str, tmp_path: Path, receiver: WebhookReceiver
) -> AsyncIterator[NotifierDriver]:
    """A notifier, and two therapists whose webhooks go to one receiver."""
    async with running_notifier(
        database_url, tmp_path, allow_private_webhooks=True, clock=SystemClock()
    ) as ready:
        for therapist in ("t-1", "t-2"):
            await ready.add_therapist(
                therapist_id=therapist,
                address=None,
                channels=(Channel.INBOX, Channel.WEBHOOK),
                contacts={Channel.WEBHOOK: WebhookContact(url=f"{receiver.url}/hook/key", secret=SECRET)},
            )
        yield ready


async def run(notifier: NotifierDriver, *words: str, private: bool = True) -> Result:
    """Run `rapport webhooks`."""
    environment = {"DATABASE_URL": notifier.url, "NOTIFIER_ALLOW_PRIVATE_WEBHOOKS": str(private).lower()}
    return await asyncio.to_thread(CliRunner().invoke, application(), ["webhooks", *words], env=environment)


async def tell(notifier: NotifierDriver, *episodes: str) -> None:
    """Have webhooks about new episodes sent, one after another."""
    for one in episodes:
        await notifier.handle(changed(episode=one))
        await notifier.run_due_jobs()


async def test_a_sample_is_signed_and_says_that_it_is_a_test(
    notifier: NotifierDriver, receiver: WebhookReceiver
) -> None:
    done = await run(notifier, "test", "--practice", "north")
    assert done.exit_code == 0, done.output
    ((path, headers, body),) = receiver.requests
    sample = Webhook(SECRET).verify(body, headers)
    assert (path, sample["type"], sample["data"]) == ("/hook/key", "webhook.test", {"test": True})
    assert done.output == f"{receiver.url} (t-1, t-2): accepted\n"


async def test_a_receiver_that_does_not_take_the_sample_is_named_with_the_reason(
    notifier: NotifierDriver, receiver: WebhookReceiver
) -> None:
    receiver.statuses.append(401)
    refused = await run(notifier, "test", "--practice", "north", "--therapist", "t-2")
    forbidden = await run(notifier, "test", "--practice", "north", private=False)
    assert (refused.exit_code, refused.output) == (1, f"{receiver.url} (t-2): not accepted (refused)\n")
    assert (forbidden.exit_code, "forbidden-target" in forbidden.output) == (1, True)
    assert len(receiver.requests) == 1


async def test_a_practice_without_webhooks_is_told_so(notifier: NotifierDriver) -> None:
    done = await run(notifier, "test", "--practice", "south")
    assert (done.exit_code, done.output) == (1, "No webhook is stored for practice south.\n")


async def test_what_was_sent_is_sent_again_with_the_same_ids_and_bodies(
    notifier: NotifierDriver, receiver: WebhookReceiver
) -> None:
    await tell(notifier, "one", "two")
    before = await notifier.rows("SELECT * FROM notifier.delivery ORDER BY delivery_id")
    counted = await run(notifier, "replay", "--practice", "north", "--since", LONG_AGO, "--dry-run")
    done = await run(notifier, "replay", "--practice", "north", "--since", LONG_AGO)
    assert (counted.output, done.output) == ("2 would be sent again.\n", "2: accepted\n")
    first, again = receiver.requests[:2], receiver.requests[2:]
    assert [(one[1]["webhook-id"], one[2]) for one in again] == [
        (one[1]["webhook-id"], one[2]) for one in first
    ]
    assert [json.loads(one[2])["type"] for one in again] == ["episode.opened"] * 2
    for _, headers, body in again:
        Webhook(SECRET).verify(body, headers)
    assert await notifier.rows("SELECT * FROM notifier.delivery ORDER BY delivery_id") == before


async def test_only_what_the_receiver_accepted_since_then_is_sent_again(
    notifier: NotifierDriver, receiver: WebhookReceiver
) -> None:
    receiver.statuses.append(400)
    await tell(notifier, "refused", "one", "two")
    ((newest,),) = await notifier.rows("SELECT max(finished_at) FROM notifier.delivery")
    for since, number in ((LONG_AGO, 2), (newest.isoformat(), 1)):
        counted = await run(notifier, "replay", "--practice", "north", "--since", since, "--dry-run")
        assert counted.output == f"{number} would be sent again.\n"
    after = (newest + timedelta(seconds=1)).isoformat()
    for practice, since, code in (("north", after, 0), ("south", LONG_AGO, 1)):
        done = await run(notifier, "replay", "--practice", practice, "--since", since)
        assert (done.exit_code, done.stdout) == (code, "Nothing was sent since then.\n")
        assert ("There is no practice south" in done.stderr) == (practice == "south")


async def test_it_ends_where_the_receiver_does_not_answer_and_says_how_to_go_on(
    notifier: NotifierDriver, receiver: WebhookReceiver, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def at_once(_clock: SystemClock, _seconds: float) -> None:
        """Do not wait."""

    monkeypatch.setattr(SystemClock, "sleep", at_once)
    await tell(notifier, "one", "two", "three")
    asked = len(receiver.requests)
    receiver.statuses += [503, 204, 503, 503, 503]
    done = await run(notifier, "replay", "--practice", "north", "--since", LONG_AGO)
    assert done.exit_code == 1
    assert "1: accepted\n1: not accepted (busy)\n" in done.output
    assert "1 were not tried" in done.output
    assert len(receiver.requests) - asked == 5
    again = datetime.fromisoformat(done.output.rsplit("--since ", 1)[1].strip()).isoformat()
    assert (await run(notifier, "replay", "--practice", "north", "--since", again)).output == "2: accepted\n"


async def test_a_therapist_who_was_removed_gets_nothing_again(
    notifier: NotifierDriver, receiver: WebhookReceiver
) -> None:
    await tell(notifier, "one")
    await notifier.rows("DELETE FROM notifier.therapist RETURNING 1")
    done = await run(notifier, "replay", "--practice", "north", "--since", LONG_AGO)
    assert (done.exit_code, done.output) == (1, "1: not accepted (no-address)\n")
    assert len(receiver.requests) == 1
