"""Access ends with the address: links, sessions and waiting mail of a changed or removed entry."""

import asyncio
import re
from datetime import timedelta

import httpx
import psycopg

from schemas.events import Change
from tests.flow.notifier.test_pages import ITEM, csrf_in, mailed_token, signed_in
from tests.support.detector.episodes import changed
from tests.support.notifier.batch_driver import NotifierDriver
from tests.support.postgres import wait_until_blocked

CORRECTED = {"address": "other@north.example", "mail_timing": "immediate"}


async def put_entry(notifier: NotifierDriver, entry: dict[str, str], therapist: str = "t-1") -> int:
    """Replace a therapist's entry as the practice's system does."""
    async with notifier.api_client() as practice:
        return (await practice.put(f"/v1/therapists/{therapist}", json=entry)).status_code


async def remove(notifier: NotifierDriver, therapist: str = "t-1", practice: str = "north") -> int:
    """Remove a therapist as the practice's system does."""
    async with notifier.api_client() as system:
        head = {"Rapport-Practice": practice}
        return (await system.delete(f"/v1/therapists/{therapist}", headers=head)).status_code


async def press(browser: httpx.AsyncClient, token: str) -> int:
    """Press the button behind a link."""
    return (await browser.post("/sign-in", data={"token": token})).status_code


async def test_a_link_that_went_to_a_wrong_address_ends_when_the_address_is_corrected(
    notifier: NotifierDriver,
) -> None:
    await notifier.handle(changed())
    wrong = await mailed_token(notifier)
    assert await put_entry(notifier, CORRECTED) == 200
    async with notifier.browser() as browser:
        page = await browser.get(f"/sign-in?token={wrong}")
        assert (page.status_code, "not one of our links" in page.text) == (410, True)
        assert await press(browser, wrong) == 410
        await notifier.handle(changed(Change.DEEPENED, 2))
        assert await press(browser, await mailed_token(notifier)) == 303


async def test_a_second_attempt_to_a_corrected_address_does_not_revive_the_link_of_the_first(
    notifier: NotifierDriver,
) -> None:
    await notifier.handle(changed())
    first = await mailed_token(notifier)
    async with notifier.components.pool.connection() as conn:
        # The receiver has the mail, and the attempt looked as if it had failed.
        await conn.execute("UPDATE notifier.delivery SET state = 'retrying', finished_at = NULL")
    await put_entry(notifier, CORRECTED)
    await notifier.sweep()
    assert notifier.mail_server.recipients == ["t1@north.example", "other@north.example"]
    async with notifier.browser() as browser:
        assert await press(browser, first) == 410
        assert await press(browser, await mailed_token(notifier)) == 303


async def test_a_link_whose_mail_was_on_its_way_while_the_address_changed_opens_nothing(
    notifier: NotifierDriver,
) -> None:
    await notifier.handle(changed())
    token = await mailed_token(notifier)
    async with notifier.components.pool.connection() as conn:
        # As another process leaves it that had read the entry before it was replaced.
        await conn.execute("UPDATE notifier.therapist SET address = 'other@north.example'")
    async with notifier.browser() as browser:
        assert await press(browser, token) == 410


async def test_sessions_end_with_the_address_and_not_with_other_changes(notifier: NotifierDriver) -> None:
    await notifier.handle(changed())
    async with notifier.browser() as browser:
        await signed_in(notifier, browser)
        await put_entry(notifier, {"address": "T1@North.example", "locale": "de", "mail_timing": "immediate"})
        assert (await browser.get(ITEM)).status_code == 200
        await put_entry(notifier, {"locale": "de"})
        assert (await browser.get(ITEM)).status_code == 303
        await put_entry(notifier, {"address": "t1@north.example"})
        assert (await browser.get(ITEM)).status_code == 303
    assert await notifier.rows(
        "SELECT practice_id, therapist_id FROM notifier.audit WHERE action = 'access-ended'"
    ) == [("north", "t-1"), ("north", "t-1")]


async def test_a_link_that_shares_an_item_ends_with_the_access_of_whoever_made_it(
    notifier: NotifierDriver,
) -> None:
    await notifier.handle(changed())
    async with notifier.browser() as browser:
        await signed_in(notifier, browser)
        csrf = csrf_in(await browser.get(ITEM))
        await browser.post(f"{ITEM}/share", data={"csrf": csrf})
        found = re.search(r'shared\?token=([^"]+)"', (await browser.get(ITEM)).text)
    assert found is not None
    async with notifier.browser() as supervisor:
        assert (await supervisor.post("/shared", data={"token": found[1]})).status_code == 200
        await put_entry(notifier, CORRECTED)
        assert (await supervisor.post("/shared", data={"token": found[1]})).status_code == 410


async def test_another_therapists_sessions_and_links_stay(notifier: NotifierDriver) -> None:
    await notifier.add_therapist(therapist_id="t-2", address="t2@north.example")
    await notifier.handle(changed())
    async with notifier.browser() as browser:
        await signed_in(notifier, browser)
        await put_entry(notifier, CORRECTED, "t-2")
        await remove(notifier, "t-2")
        assert (await browser.get(ITEM)).status_code == 200


async def test_a_sign_in_beside_the_change_of_the_address_comes_before_it_or_fails(
    notifier: NotifierDriver,
) -> None:
    await notifier.handle(changed())
    token = await mailed_token(notifier)
    with psycopg.connect(notifier.url) as practice:
        practice.execute("UPDATE notifier.therapist SET address = 'other@north.example'")
        async with notifier.browser() as browser:
            pressed = asyncio.create_task(press(browser, token))
            await asyncio.to_thread(wait_until_blocked, notifier.url, practice.info.backend_pid)
            practice.commit()
            assert await pressed == 410
    assert await notifier.rows("SELECT count(*) FROM notifier.session") == [(0,)]


async def test_a_link_that_was_asked_for_at_the_earlier_address_is_not_mailed_to_the_new_one(
    notifier: NotifierDriver,
) -> None:
    async with notifier.browser() as browser:
        await browser.post("/sign-in/link", data={"address": "t1@north.example"})
    await notifier.answer_link_requests()
    await put_entry(notifier, CORRECTED)
    await notifier.sweep()
    assert notifier.mail_server.mails == []
    assert await notifier.delivery_states() == [("email", "cancelled", "address-changed")]


async def test_a_removed_therapist_is_signed_out_and_gets_no_mail(notifier: NotifierDriver) -> None:
    await notifier.handle(changed())
    async with notifier.browser() as browser:
        await signed_in(notifier, browser)
        await notifier.handle(changed(Change.DEEPENED, 2))
        assert [await remove(notifier), await remove(notifier)] == [204, 404]
        assert (await browser.get(ITEM)).status_code == 303
        assert ("email", "cancelled", "removed") in await notifier.delivery_states()
        await notifier.add_therapist()
        assert (await browser.get(ITEM)).status_code == 303
    await notifier.sweep()
    assert len(notifier.mail_server.mails) == 1


async def test_an_attempt_in_flight_while_its_therapist_is_removed_is_not_repeated(
    notifier: NotifierDriver,
) -> None:
    await notifier.handle(changed())

    async def refuse(*_: object) -> str:
        await asyncio.to_thread(asyncio.run, remove_by_system())
        return "451 try later"

    async def remove_by_system() -> None:
        with psycopg.connect(notifier.url) as conn:
            conn.execute("DELETE FROM notifier.therapist")
            conn.execute("UPDATE notifier.delivery SET state = 'cancelled', reason = 'removed'")

    notifier.mail_server.__dict__["handle_DATA"] = refuse
    await notifier.run_due_jobs()
    assert await notifier.delivery_states() == [("email", "cancelled", "removed")]


async def test_a_therapist_of_another_practice_cannot_be_removed(notifier: NotifierDriver) -> None:
    await notifier.add_therapist(practice_id="south", therapist_id="t-9")
    assert await remove(notifier, "t-9") == 404
    assert await remove(notifier, "t-9", "south") == 404
    assert await notifier.rows("SELECT count(*) FROM notifier.therapist") == [(2,)]


async def test_a_therapist_who_comes_back_finds_the_own_items(notifier: NotifierDriver) -> None:
    await notifier.handle(changed())
    await remove(notifier)
    await notifier.add_therapist()
    notifier.advance(timedelta(minutes=1))
    async with notifier.browser() as browser:
        await browser.post("/sign-in/link", data={"address": "t1@north.example"})
        await signed_in(notifier, browser)
        assert (await browser.get(ITEM)).status_code == 200
