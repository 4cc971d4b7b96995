"""A restored database takes up the answers that it lacks, and sends mail again only as the same message."""

import httpx

from schemas.events import Answer
from schemas.topics import THERAPIST_RESPONDED
from services.notifier.inbox import answers_before
from services.notifier.inbox.record_response import response_value
from services.runtime.consumer.published_check import FoundRecords
from services.runtime.kafka.record import Record
from services.runtime.outbox.erasures import Erasures
from services.runtime.outbox.transaction import Transaction
from tests.flow.notifier.test_pages import ITEM, csrf_in, signed_in
from tests.support.detector.episodes import changed
from tests.support.notifier.batch_driver import NotifierDriver


async def answer(browser: httpx.AsyncClient, given: Answer) -> None:
    """Give an answer on the item's page."""
    csrf = csrf_in(await browser.get(ITEM))
    await browser.post(f"{ITEM}/answers", data={"answer": given.value, "csrf": csrf})


async def find(notifier: NotifierDriver, *, count: int = 99) -> int:
    """Have the database look at the log of the answers given so far; return how many it lacks."""
    log = [
        Record(THERAPIST_RESPONDED.name, 0, at, 0, b"key", response_value(one, b"key"))
        for at, one in enumerate(notifier.answers()[:count])
    ]
    lacking = 0

    async def look(tx: Transaction) -> None:
        nonlocal lacking
        found = FoundRecords("cluster-1", 0, log, {})
        lacking = await answers_before.take_up(tx.conn, found, Erasures("notifier"))

    await notifier.transact(look)
    return lacking


async def go_back(notifier: NotifierDriver, *, item: bool) -> None:
    """Make the database that of a backup: without the answers, and without the item if it came later."""

    async def restore(tx: Transaction) -> None:
        await tx.conn.execute("DELETE FROM notifier.answer")
        await tx.conn.execute(
            "UPDATE notifier.item SET answer_revision = 0, answer = NULL, answered_at = NULL"
        )
        if not item:
            for table in ("item", "delivery", "decision", "change", "episode"):
                await tx.conn.execute(f"DELETE FROM notifier.{table}".encode())

    await notifier.transact(restore)


async def test_an_answer_given_after_the_backup_stands_again_and_the_next_one_counts_on(
    notifier: NotifierDriver,
) -> None:
    await notifier.handle(changed())
    async with notifier.browser() as browser:
        await signed_in(notifier, browser)
        await answer(browser, Answer.DISCUSSED)
        await go_back(notifier, item=True)

        assert (await find(notifier), await find(notifier)) == (1, 0)
        assert await notifier.rows("SELECT answer, answer_revision FROM notifier.item") == [("discussed", 1)]

        await answer(browser, Answer.UNDONE)
    assert [(one.answer, one.answer_revision) for one in notifier.answers()] == [
        (Answer.DISCUSSED, 1),
        (Answer.UNDONE, 2),
    ]


async def test_an_answer_waits_for_an_item_that_is_newer_than_the_backup(notifier: NotifierDriver) -> None:
    await notifier.handle(changed())
    async with notifier.browser() as browser:
        await signed_in(notifier, browser)
        for given in (Answer.DISCUSSED, Answer.UNDONE, Answer.WILL_DISCUSS):
            await answer(browser, given)
    await go_back(notifier, item=False)

    assert (await find(notifier, count=2), await find(notifier)) == (2, 1)
    await notifier.handle(changed())

    assert await notifier.rows("SELECT answer, answer_revision FROM notifier.item") == [("will-discuss", 3)]
    assert await notifier.rows("SELECT count(*) FROM notifier.answer") == [(3,)]
    assert await notifier.rows("SELECT count(*) FROM notifier.answered_before") == [(0,)]


async def test_mail_that_the_database_forgot_is_the_same_message_again(notifier: NotifierDriver) -> None:
    await notifier.handle(changed())
    await notifier.run_due_jobs()
    await go_back(notifier, item=False)

    await notifier.handle(changed())
    await notifier.run_due_jobs()

    assert len(notifier.mail_server.mails) == 2
    assert len({mail["Message-ID"] for mail in notifier.mail_server.mails}) == 1
