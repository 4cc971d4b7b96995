"""Asking for a link: the same work for every address, and nobody can use up another's links."""

from collections.abc import Awaitable, Callable
from datetime import timedelta

import psycopg
import pytest

from tests.flow.notifier.test_pages import mailed_token, signed_in
from tests.support.notifier.batch_driver import NotifierDriver

KNOWN, UNKNOWN = "t1@north.example", "nobody@north.example"
VALID = timedelta(minutes=30)


async def ask(notifier: NotifierDriver, address: str, times: int = 1) -> None:
    """Ask for a link, as anybody can, and let the worker answer."""
    async with notifier.browser() as browser:
        for _ in range(times):
            await browser.post("/sign-in/link", data={"address": address})
    await notifier.run_due_jobs()


async def test_a_known_address_causes_the_same_statements_as_an_unknown_one_before_the_answer(
    notifier: NotifierDriver, monkeypatch: pytest.MonkeyPatch
) -> None:
    executed: list[str] = []
    execute: Callable[..., Awaitable[object]] = psycopg.AsyncCursor.execute

    async def record(cursor: object, query: object, *values: object, **options: object) -> object:
        executed.append(str(query))
        return await execute(cursor, query, *values, **options)

    monkeypatch.setattr(psycopg.AsyncCursor, "execute", record)
    by_address = []
    async with notifier.browser() as browser:
        for address in (KNOWN, UNKNOWN, "", "not an address"):
            executed.clear()
            await browser.post("/sign-in/link", data={"address": address})
            by_address.append(list(executed))
    assert [len(one) > 2 for one in by_address] == [True] * 4
    assert by_address == [by_address[0]] * 4
    assert [one for one in by_address[0] if "notifier.therapist" in one] == []


async def test_at_most_three_links_that_work_are_mailed(notifier: NotifierDriver) -> None:
    await ask(notifier, KNOWN, times=9)
    assert len(notifier.mail_server.mails) == 3


async def test_whoever_asks_in_a_therapists_name_does_not_lock_them_out(notifier: NotifierDriver) -> None:
    await ask(notifier, KNOWN, times=9)
    notifier.advance(VALID - timedelta(minutes=1))
    async with notifier.browser() as owner:
        assert (await signed_in(notifier, owner)).status_code == 303
    await ask(notifier, KNOWN, times=9)
    assert len(notifier.mail_server.mails) == 4
    notifier.advance(timedelta(minutes=1))
    await ask(notifier, KNOWN)
    async with notifier.browser() as owner:
        assert (await signed_in(notifier, owner)).status_code == 303
    assert len(notifier.mail_server.mails) == 5


async def test_a_request_is_deleted_once_it_was_answered_or_is_too_old(notifier: NotifierDriver) -> None:
    async with notifier.browser() as browser:
        await browser.post("/sign-in/link", data={"address": KNOWN})
        notifier.advance(VALID)
        await browser.post("/sign-in/link", data={"address": UNKNOWN})
    await notifier.run_due_jobs()
    assert notifier.mail_server.mails == []
    assert await notifier.rows("SELECT * FROM notifier.link_request") == []
    assert await notifier.rows("SELECT * FROM notifier_jobs.procrastinate_jobs") == []


async def test_one_address_in_two_practices_gets_a_link_for_each(notifier: NotifierDriver) -> None:
    await notifier.add_therapist(practice_id="south", therapist_id="t-8")
    await ask(notifier, KNOWN)
    assert await notifier.rows("SELECT DISTINCT practice_id FROM notifier.sign_in_link ORDER BY 1") == [
        ("north",),
        ("south",),
    ]
    async with notifier.browser() as browser:
        assert (
            await browser.post("/sign-in", data={"token": await mailed_token(notifier)})
        ).status_code == 303
