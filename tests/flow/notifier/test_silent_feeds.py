"""A feed that falls silent: its practice's contact is told once, and every decision is stored."""

from datetime import date, datetime, timedelta

import pytest
from psycopg import AsyncConnection

from services.notifier.channels.email import Email
from services.notifier.cli.plugin import check, put_tenant
from services.notifier.deliveries.feed_watch import LOOK_EVERY, FeedWatch
from services.notifier.settings import MailSettings
from services.notifier.wording import Wordings
from services.runtime.process.cli_plugin import Tenant, Verdict
from tests.support.detector.episodes import NOW
from tests.support.notifier.batch_driver import NotifierDriver

ALL = "SELECT last_day, usual_gap_days, outcome, reason, state, attempts, ended_on FROM notifier.feed_silence"
TODAY = NOW.date()


async def execute(notifier: NotifierDriver, statement: str, *values: object) -> None:
    async with await AsyncConnection.connect(notifier.url) as conn:
        await conn.execute(statement, values)


async def sent_until(notifier: NotifierDriver, last: date, practice: str = "north") -> None:
    """The practice sent something on twelve days up to this one."""
    for before in range(12):
        await execute(
            notifier,
            "INSERT INTO notifier.feed_day VALUES (%s, %s) ON CONFLICT DO NOTHING",
            practice,
            last - timedelta(days=before),
        )


async def set_contact(notifier: NotifierDriver, **options: str) -> None:
    async with await AsyncConnection.connect(notifier.url) as conn:
        await put_tenant(conn, Tenant("north", NOW, {"contact": "it@north.example", **options}))


async def heard(notifier: NotifierDriver, at: datetime) -> None:
    await execute(
        notifier,
        "INSERT INTO notifier.heartbeat (partition, minute, reason, risk, expected_risk, recorded_at)"
        " VALUES (0, %s, 'heartbeat', 0.1, 0.1, %s) ON CONFLICT (partition) DO UPDATE SET"
        " minute = excluded.minute",
        at,
        at,
    )


def watch(notifier: NotifierDriver, smtp_port: int) -> FeedWatch:
    """The watch of a process that has read everything."""
    email = Email(MailSettings(smtp_port=smtp_port, smtp_tls="none"), Wordings.load())
    return FeedWatch(notifier.components.pool, email, timedelta(0))


async def look(notifier: NotifierDriver) -> None:
    """Look at the feeds while heartbeats pass."""
    await heard(notifier, notifier.clock.now())
    await watch(notifier, notifier.mail_server.port).look(notifier.clock.now())


async def test_the_contact_is_told_once_for_each_silence(notifier: NotifierDriver) -> None:
    await set_contact(notifier)
    await sent_until(notifier, TODAY - timedelta(days=3))
    await look(notifier)
    assert await notifier.rows(ALL) == []
    notifier.advance(timedelta(days=1))
    for _ in range(2):
        await look(notifier)
        notifier.advance(LOOK_EVERY)
    last = TODAY - timedelta(days=3)
    assert await notifier.rows(ALL) == [(last, 1, "told", "feed-silent", "sent", 1, None)]
    (mail,) = notifier.mail_server.mails
    assert (mail["To"], mail["Subject"]) == ("it@north.example", "No data is arriving")
    assert "since November 15, 2026" in mail.get_content()

    await sent_until(notifier, TODAY + timedelta(days=1))
    await look(notifier)
    assert [row[-1] for row in await notifier.rows(ALL)] == [TODAY + timedelta(days=1)]
    notifier.advance(timedelta(days=5))
    await look(notifier)
    assert len(notifier.mail_server.mails) == 2


async def test_the_mail_is_in_the_contacts_language(notifier: NotifierDriver) -> None:
    await set_contact(notifier, contact_language="de")
    await sent_until(notifier, TODAY - timedelta(days=9))
    await look(notifier)
    (mail,) = notifier.mail_server.mails
    assert mail["Content-Language"] == "de"
    assert "seit dem 9. November 2026 keine Daten" in mail.get_content()


async def test_without_a_contact_the_decision_is_stored_and_counted(notifier: NotifierDriver) -> None:
    await sent_until(notifier, TODAY - timedelta(days=9))
    await look(notifier)
    assert [row[2:5] for row in await notifier.rows(ALL)] == [("suppressed", "no-contact", None)]
    assert notifier.mail_server.mails == []
    async with notifier.components.pool.connection() as conn:
        await notifier.components.metrics.measure(conn, notifier.clock.now())
        (found,) = [one for one in await check(conn) if one.name == "silent feeds"]
    assert (found.verdict, "north" in found.found) == (Verdict.NOTICE, True)
    metrics = (await notifier.operator().get("/metrics")).text
    assert "rapport_practices_silent 1.0" in metrics
    assert "north" not in metrics


@pytest.mark.parametrize("beat", [None, timedelta(minutes=11)], ids=["no heartbeat", "an old heartbeat"])
async def test_nothing_is_decided_while_the_silence_may_be_our_own(
    notifier: NotifierDriver, beat: timedelta | None
) -> None:
    await sent_until(notifier, TODAY - timedelta(days=9))
    if beat is not None:
        await heard(notifier, NOW - beat)
    await watch(notifier, notifier.mail_server.port).look(NOW)
    assert await notifier.rows(ALL) == []


async def test_a_process_that_has_just_started_waits_then_looks_once_an_hour(
    notifier: NotifierDriver,
) -> None:
    feeds, found = notifier.components.feeds, []
    await sent_until(notifier, TODAY - timedelta(days=9))
    for minutes in (0, 9, 10, 69, 70):
        await heard(notifier, NOW + timedelta(minutes=minutes))
        await feeds.look(NOW + timedelta(minutes=minutes))
        found.append(len(await notifier.rows(ALL)))
        await execute(notifier, "DELETE FROM notifier.feed_silence")
    assert found == [0, 0, 1, 0, 1]


async def test_a_mail_server_that_is_away_is_tried_again_later(notifier: NotifierDriver) -> None:
    await set_contact(notifier)
    await sent_until(notifier, TODAY - timedelta(days=9))
    await heard(notifier, NOW)
    await watch(notifier, 9).look(NOW)
    assert [row[4:6] for row in await notifier.rows(ALL)] == [("pending", 1)]
    notifier.advance(LOOK_EVERY)
    await look(notifier)
    assert [row[4:6] for row in await notifier.rows(ALL)] == [("sent", 2)]


@pytest.mark.parametrize("option", [{"contact": "nobody"}, {"contact_language": "xx"}], ids=str)
async def test_a_contact_that_cannot_be_used_is_refused(
    notifier: NotifierDriver, option: dict[str, str]
) -> None:
    with pytest.raises(ValueError, match=f"{next(iter(option))}: expected"):
        await set_contact(notifier, **option)
