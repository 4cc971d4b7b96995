"""Mail before the session: one for several items, by the therapist's clock, cancelled when needless."""

import asyncio
from datetime import UTC, date, datetime, timedelta

import psycopg
import pytest
from psycopg import AsyncConnection

from schemas.events import Change, EpisodeChanged
from services.notifier.channels.channel import MailTiming
from services.notifier.directory.store import PracticeOptions, put_own_settings
from services.notifier.domain.mail_plan import MailHours
from services.notifier.domain.therapist import OwnSettings
from tests.support.detector.episodes import NOW, changed
from tests.support.notifier.batch_driver import NotifierDriver
from tests.support.postgres import wait_until_blocked

SESSION = datetime(2026, 11, 25, 10, 0, tzinfo=UTC)
A_DAY_BEFORE = SESSION - timedelta(days=1)
MINUTE, HOUR, DAY = timedelta(minutes=1), timedelta(hours=1), timedelta(days=1)


@pytest.fixture(autouse=True)
async def before_session(notifier: NotifierDriver) -> None:
    """The therapist gets mail as a new practice's therapists do; the clock begins on 18 November, 12:00."""
    await notifier.add_therapist(mail_timing=None)


def opened(number: int, next_session_at: datetime | None = SESSION) -> EpisodeChanged:
    """An opened episode of a client of their own."""
    return changed(episode=f"e-{number}", client=f"c-{number}", next_session_at=next_session_at)


def mails(notifier: NotifierDriver) -> int:
    """How many mails the server has."""
    return len(notifier.mail_server.mails)


async def wait_until(notifier: NotifierDriver, at: datetime) -> None:
    """Let the sweep run until a time: every hour of the last day, every six hours before."""
    while (left := at - notifier.clock.now()) > timedelta(0):
        notifier.advance(min(6 * HOUR if left > DAY else HOUR, left))
        await notifier.sweep()


async def planned(notifier: NotifierDriver) -> list[tuple[datetime, str]]:
    """When and why each message is due."""
    rows = await notifier.rows("SELECT due_at, due_reason FROM notifier.delivery ORDER BY created_at, due_at")
    return [(at.astimezone(UTC), reason) for at, reason in rows]


async def test_four_openings_in_a_minute_are_one_mail_a_day_before_the_session(
    notifier: NotifierDriver,
) -> None:
    for number in range(4):
        await notifier.handle(opened(number))
        notifier.advance(timedelta(seconds=15))
    assert await planned(notifier) == [(A_DAY_BEFORE, "before-session")] * 4
    notifier.advance(A_DAY_BEFORE - notifier.clock.now() - MINUTE)
    await notifier.sweep()
    assert mails(notifier) == 0
    notifier.advance(MINUTE)
    for _ in range(3):
        await notifier.sweep()
    assert mails(notifier) == 1
    states = sorted(state for _, state, _ in await notifier.delivery_states())
    assert states == ["combined", "combined", "combined", "sent"]
    assert await notifier.rows("SELECT episode_id FROM notifier.sign_in_link") == [(None,)]


async def test_workers_that_take_up_all_of_them_at_the_same_time_send_one_mail(
    notifier: NotifierDriver,
) -> None:
    await notifier.handle(*(opened(number) for number in range(4)))
    notifier.advance(A_DAY_BEFORE - notifier.clock.now())
    await notifier.sweep(concurrency=4)
    states = sorted(state for _, state, _ in await notifier.delivery_states())
    assert (mails(notifier), states) == (1, ["combined", "combined", "combined", "sent"])


async def test_a_result_of_several_mails_is_stored_after_the_planning_that_has_begun(
    notifier: NotifierDriver, monkeypatch: pytest.MonkeyPatch
) -> None:
    await notifier.handle(opened(1), opened(2))
    notifier.advance(A_DAY_BEFORE - notifier.clock.now())
    with psycopg.connect(notifier.url) as planning:

        async def accept(*_: object) -> str:
            planning.execute("SELECT FROM notifier.therapist FOR UPDATE")
            planning.execute("SELECT FROM notifier.delivery WHERE tried_at IS NULL FOR UPDATE")
            return "250 Accepted"

        monkeypatch.setattr(notifier.mail_server, "handle_DATA", accept)
        sweep = asyncio.create_task(notifier.sweep())
        await asyncio.to_thread(wait_until_blocked, notifier.url, planning.info.backend_pid)
        # The one that waits holds nothing that the planning needs: neither would ever go on.
        assert planning.execute("SELECT FROM notifier.delivery FOR UPDATE NOWAIT").rowcount == 2
        planning.rollback()
        await sweep
    assert sorted(state for _, state, _ in await notifier.delivery_states()) == ["combined", "sent"]


async def test_openings_just_before_a_session_wait_a_little_for_each_other(notifier: NotifierDriver) -> None:
    for number in range(4):
        await notifier.handle(opened(number, NOW + 4 * HOUR))
        notifier.advance(timedelta(seconds=15))
    await wait_until(notifier, NOW + DAY)
    assert mails(notifier) == 1
    assert await planned(notifier) == [
        (NOW + timedelta(minutes=5, seconds=15 * number), "before-session") for number in range(4)
    ]


async def test_a_later_item_waits_for_the_next_day(notifier: NotifierDriver) -> None:
    await notifier.handle(opened(1, NOW + 6 * HOUR))
    await wait_until(notifier, NOW + HOUR)
    await notifier.handle(opened(2, NOW + 30 * HOUR))
    await wait_until(notifier, NOW + DAY - 6 * HOUR)
    assert mails(notifier) == 1
    assert (await planned(notifier))[1] == (datetime(2026, 11, 19, 7, 0, tzinfo=UTC), "one-a-day")
    await wait_until(notifier, NOW + DAY)
    assert mails(notifier) == 2


@pytest.mark.parametrize(
    ("change", "why"),
    [(Change.WITHDRAWN, "withdrawn"), (Change.REPAIRED, "closed"), (Change.ACKNOWLEDGED, "answered")],
)
async def test_a_waiting_mail_is_cancelled_when_it_became_needless(
    notifier: NotifierDriver, change: Change, why: str
) -> None:
    await notifier.handle(changed(next_session_at=SESSION))
    await notifier.handle(changed(change, 2, next_session_at=SESSION))
    await wait_until(notifier, SESSION)
    assert (mails(notifier), await notifier.delivery_states()) == (0, [("email", "cancelled", why)])


async def test_the_item_that_remains_is_mailed_when_another_is_withdrawn(notifier: NotifierDriver) -> None:
    await notifier.handle(opened(1), opened(2))
    await notifier.handle(changed(Change.WITHDRAWN, 2, episode="e-1", client="c-1", next_session_at=SESSION))
    await wait_until(notifier, SESSION)
    assert mails(notifier) == 1
    (link,) = await notifier.rows("SELECT episode_id FROM notifier.sign_in_link")
    assert link == (opened(2).episode_id,)


async def test_an_answer_given_on_the_page_cancels_the_mail_even_before_it_comes_back(
    notifier: NotifierDriver,
) -> None:
    await notifier.handle(opened(1))
    async with await AsyncConnection.connect(notifier.url) as conn:
        await conn.execute("UPDATE notifier.item SET answer = 'discussed', answered_at = now()")
    await wait_until(notifier, SESSION)
    assert (mails(notifier), await notifier.delivery_states()) == (0, [("email", "cancelled", "answered")])


async def test_a_statement_about_the_next_session_moves_the_waiting_mail(notifier: NotifierDriver) -> None:
    await notifier.handle(opened(1))
    notifier.advance(2 * HOUR)
    earlier = NOW + timedelta(days=2)
    async with notifier.api_client() as api:
        body = {"therapist_id": "t-1", "at": earlier.isoformat()}
        assert (await api.put("/v1/clients/c-1/next-session", json=body)).status_code == 200
    assert await planned(notifier) == [(earlier - DAY, "before-session")]


async def test_without_a_rhythm_the_mail_goes_out_in_the_morning(notifier: NotifierDriver) -> None:
    await notifier.add_therapist(mail_timing=None, time_zone="Europe/Vienna")
    await notifier.handle(changed(trajectory=(), next_session_at=None))
    assert await planned(notifier) == [(datetime(2026, 11, 19, 6, 0, tzinfo=UTC), "no-session-known")]


async def test_with_a_rhythm_the_mail_goes_out_a_day_before_the_expected_session(
    notifier: NotifierDriver,
) -> None:
    await notifier.handle(changed(next_session_at=None))
    assert await planned(notifier) == [(NOW - 2 * HOUR + timedelta(days=6), "before-session")]
    await wait_until(notifier, SESSION)
    assert mails(notifier) == 1


async def test_a_practice_or_an_entry_can_have_mail_at_once(notifier: NotifierDriver) -> None:
    await notifier.set_practice(PracticeOptions("north", mail_timing=MailTiming.IMMEDIATE))
    await notifier.handle(opened(1), opened(2))
    await notifier.run_due_jobs()
    assert mails(notifier) == 2
    await notifier.add_therapist(mail_timing=MailTiming.DAILY)
    await notifier.handle(opened(3))
    assert (await planned(notifier))[2] == (datetime(2026, 11, 19, 7, 0, tzinfo=UTC), "daily")


async def test_mail_that_waits_follows_a_changed_entry(notifier: NotifierDriver) -> None:
    await notifier.handle(opened(1), opened(2))
    async with notifier.api_client() as api:
        entry = {"address": "t1@north.example", "mail_timing": "daily"}
        assert (await api.put("/v1/therapists/t-1", json=entry)).json()["mail_timing"] == "daily"
    assert await planned(notifier) == [(datetime(2026, 11, 19, 7, 0, tzinfo=UTC), "daily")] * 2


async def test_what_the_therapist_has_set_comes_first_and_outlasts_the_directory(
    notifier: NotifierDriver,
) -> None:
    therapist = await notifier.add_therapist(mail_timing=MailTiming.IMMEDIATE)
    own = OwnSettings(mail_timing=MailTiming.DAILY, mail_hour=9, paused_until=date(2026, 11, 23))
    async with await AsyncConnection.connect(notifier.url) as conn:
        await put_own_settings(conn, therapist, own, NOW)
    await notifier.add_therapist(mail_timing=MailTiming.IMMEDIATE)
    await notifier.handle(opened(1), opened(2))
    assert await planned(notifier) == [(datetime(2026, 11, 23, 9, 0, tzinfo=UTC), "paused")] * 2
    await wait_until(notifier, SESSION)
    assert mails(notifier) == 1


async def test_mail_that_was_switched_off_while_it_waited_is_not_sent(notifier: NotifierDriver) -> None:
    await notifier.handle(opened(1))
    await notifier.set_practice(PracticeOptions("north", messages_on=False))
    await wait_until(notifier, SESSION)
    assert (mails(notifier), await notifier.delivery_states()) == (
        0,
        [("email", "cancelled", "switched-off")],
    )


async def test_a_server_that_was_down_gets_one_mail_for_all_items(notifier: NotifierDriver) -> None:
    notifier.mail_server.data_replies += ["451 later", "451 later"]
    await notifier.handle(opened(1), opened(2), opened(3))
    await wait_until(notifier, A_DAY_BEFORE)

    async def was_sent() -> bool:
        notifier.advance(timedelta(seconds=1))
        return sorted(state for _, state, _ in await notifier.delivery_states()) == [
            "combined",
            "combined",
            "sent",
        ]

    await notifier.run_jobs_until(was_sent)
    await wait_until(notifier, SESSION)
    assert mails(notifier) == 1


@pytest.mark.parametrize(
    ("days", "valid"),
    [(None, timedelta(hours=72)), (1, timedelta(hours=72)), (5, timedelta(days=5)), (40, timedelta(days=14))],
)
async def test_a_link_works_until_the_session_within_bounds(
    notifier: NotifierDriver, days: int | None, valid: timedelta
) -> None:
    await notifier.add_therapist(mail_timing=MailTiming.IMMEDIATE)
    session = None if days is None else NOW + timedelta(days=days)
    await notifier.handle(changed(next_session_at=session, trajectory=()))
    await notifier.run_due_jobs()
    ((expires_at,),) = await notifier.rows("SELECT expires_at FROM notifier.sign_in_link")
    assert expires_at - NOW == valid


async def test_a_further_attempt_waits_for_the_end_of_the_quiet_hours(notifier: NotifierDriver) -> None:
    await notifier.set_practice(
        PracticeOptions("north", mail_timing=MailTiming.DAILY, mail_hours=MailHours(hour=19))
    )
    await notifier.handle(opened(1))
    quiet_from = datetime(2026, 11, 18, 20, 0, tzinfo=UTC)
    notifier.advance(quiet_from - timedelta(seconds=0.01) - notifier.clock.now())
    notifier.mail_server.data_replies.append("451 try later")
    await notifier.sweep()
    morning = datetime(2026, 11, 19, 7, 0, tzinfo=UTC)
    assert await notifier.rows("SELECT state, next_try_at FROM notifier.delivery") == [("retrying", morning)]
    notifier.advance(3 * HOUR)
    await notifier.sweep()
    # A worker that comes back in the night with the attempt due lets it wait.
    await notifier.rows("UPDATE notifier.delivery SET due_at = created_at RETURNING 1")
    await notifier.sweep()
    assert mails(notifier) == 0
    assert await planned(notifier) == [(morning, "quiet-hours")]
    notifier.advance(morning - notifier.clock.now())
    await notifier.sweep()
    assert mails(notifier) == 1
