"""What a sandbox sends and shows says first that it is made up, and nobody is called for it."""

import json
from datetime import timedelta
from pathlib import Path

import pytest

from services.notifier.api.cds_hooks import SERVICE
from services.notifier.channels.channel import Channel
from services.notifier.channels.webhook_contact import WebhookContact
from services.runtime.http.key_file import add_key
from services.runtime.process.clock import SystemClock
from tests.flow.notifier.test_pages import ITEM, signed_in
from tests.flow.notifier.test_record_systems import CALL
from tests.flow.notifier.test_sharing import share
from tests.flow.notifier.test_webhook import SECRET
from tests.support.detector.episodes import changed, episode_named
from tests.support.notifier.batch_driver import NotifierDriver, running_notifier
from tests.support.notifier.webhook_receiver import WebhookReceiver

SANDBOX = "north.sandbox"
FIRST_LINE = "Sandbox: all of this is made-up data. It is erased every night."


@pytest.mark.parametrize(
    ("practice", "locale", "subject", "first"),
    [
        (SANDBOX, "en-GB", "Sandbox: For your next session", FIRST_LINE),
        (
            SANDBOX,
            "de-CH",
            "Sandbox: Für Ihre nächste Sitzung",
            "Sandbox: Alle diese Daten sind erfunden. Sie werden jede Nacht gelöscht.",
        ),
        ("north", "en-GB", "For your next session", "There is something for you to look at before"),
    ],
)
async def test_the_first_line_of_a_mail_says_that_the_data_is_made_up(
    notifier: NotifierDriver, practice: str, locale: str, subject: str, first: str
) -> None:
    await notifier.add_therapist(practice_id=practice, locale=locale)
    await notifier.handle(changed(practice=practice))
    await notifier.run_due_jobs()
    (mail,) = notifier.mail_server.mails
    plain, html = mail.get_body(("plain",)), mail.get_body(("html",))
    assert mail["Subject"] == subject
    assert plain is not None
    assert html is not None
    assert plain.get_content().startswith(first)
    assert first in html.get_content()


async def test_every_page_of_a_sandbox_begins_with_it(notifier: NotifierDriver) -> None:
    await notifier.add_therapist(practice_id=SANDBOX)
    await notifier.handle(changed(practice=SANDBOX))
    async with notifier.browser() as browser, notifier.browser() as supervisor:
        await signed_in(notifier, browser)
        paths = ("/", "/caseload", "/settings", "/guide", ITEM, f"{ITEM}/together", "/items/none")
        pages = [await browser.get(path) for path in paths]
        pages.append(await supervisor.post("/shared", data={"token": await share(browser)}))
    assert [page.text.index(FIRST_LINE) < page.text.index("<main") for page in pages] == [True] * len(pages)


async def test_a_practice_has_no_such_line(notifier: NotifierDriver) -> None:
    await notifier.handle(changed())
    async with notifier.browser() as browser:
        await signed_in(notifier, browser)
        assert "Sandbox" not in (await browser.get(ITEM)).text


async def test_a_webhook_of_a_sandbox_says_so(
    database_url: str, tmp_path: Path, receiver: WebhookReceiver
) -> None:
    async with running_notifier(
        database_url, tmp_path, allow_private_webhooks=True, clock=SystemClock()
    ) as notifier:
        await _add_receiver(notifier, SANDBOX, receiver.url)
        await notifier.handle(changed(practice=SANDBOX))
        await notifier.run_due_jobs()
        ((_, _, body),) = receiver.requests
        assert json.loads(body)["data"] == {"episode_id": str(episode_named("one")), "sandbox": True}


async def test_the_card_in_the_clients_record_says_so(notifier: NotifierDriver) -> None:
    await notifier.add_therapist(practice_id=SANDBOX)
    await notifier.handle(changed(practice=SANDBOX, client="c-77"))
    notifier.key = add_key(notifier.credentials, grants=[SANDBOX], scopes=["results:read"]).secret
    async with notifier.api_client() as client:
        (card,) = (await client.post(f"/cds-services/{SERVICE}", json=CALL)).json()["cards"]
    assert card["summary"].startswith("Sandbox: There is something for you to look at")


@pytest.mark.parametrize(("practice", "counted"), [(SANDBOX, 0.0), ("north", 1.0)])
async def test_receivers_that_fail_call_nobody_for_a_sandbox(
    database_url: str, tmp_path: Path, practice: str, counted: float
) -> None:
    async with running_notifier(database_url, tmp_path) as notifier:
        await _add_receiver(notifier, practice, "http://127.0.0.1:9")
        await notifier.handle(changed(practice=practice))
        notifier.advance(timedelta(minutes=16))
        async with notifier.components.pool.connection() as conn:
            await notifier.components.metrics.measure(conn, notifier.clock.now())
        # Forbidden, because private addresses are.
        await notifier.run_due_jobs()
        registry = notifier.components.metrics
        overdue = registry.deliveries_overdue.labels("webhook")._value.get()
        failed = registry.attempts.labels("webhook", "failed")._value.get()
    assert (overdue, failed) == (counted, counted)


@pytest.mark.parametrize(("own", "other"), [(SANDBOX, "north"), ("north", SANDBOX)])
async def test_therapists_of_the_same_id_see_their_own_items_only(
    notifier: NotifierDriver, own: str, other: str
) -> None:
    await notifier.add_therapist(practice_id=SANDBOX)
    for practice in (other, own):
        await notifier.handle(changed(practice=practice, episode=practice, client="c-1"))
        await notifier.run_due_jobs()
    async with notifier.browser() as browser:
        await signed_in(notifier, browser)
        paths = [f"/items/{episode_named(practice)}" for practice in (own, other)]
        assert [(await browser.get(path)).status_code for path in paths] == [200, 404]


async def _add_receiver(notifier: NotifierDriver, practice: str, url: str) -> None:
    await notifier.add_therapist(
        practice_id=practice,
        address=None,
        channels=(Channel.INBOX, Channel.WEBHOOK),
        contacts={Channel.WEBHOOK: WebhookContact(url=f"{url}/hook", secret=SECRET)},
    )
