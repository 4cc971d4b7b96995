"""A practice that observes gets no mail and no item, and every decision says why."""

from datetime import timedelta

import pytest
from psycopg import AsyncConnection

from schemas.events import KeptBack
from services.notifier.channels.channel import MailTiming
from services.notifier.cli.plugin import put_tenant
from services.runtime.process.cli_plugin import Tenant
from tests.support.detector.episodes import NOW, changed
from tests.support.notifier.batch_driver import NotifierDriver

HELD_BACK = {("opened", channel, "suppressed", "observing") for channel in ("inbox", "email", "webhook")}


async def set_mode(notifier: NotifierDriver, mode: str) -> None:
    async with await AsyncConnection.connect(notifier.url) as conn:
        await put_tenant(conn, Tenant("north", NOW, {"mode": mode}))


async def test_what_the_detector_kept_back_while_observing_is_stored_with_this_reason(
    notifier: NotifierDriver,
) -> None:
    await notifier.handle(changed(kept_back=KeptBack.OBSERVING))
    assert await notifier.decisions() == HELD_BACK
    assert await notifier.rows("SELECT FROM notifier.item") == []


async def test_what_was_decided_just_before_observing_began_is_not_told_either(
    notifier: NotifierDriver,
) -> None:
    await set_mode(notifier, "observe")
    await notifier.handle(changed())
    assert await notifier.decisions() == HELD_BACK
    assert await notifier.rows("SELECT FROM notifier.item") == []
    assert await notifier.delivery_states() == []


@pytest.mark.parametrize("timing", [MailTiming.IMMEDIATE, MailTiming.DAILY])
async def test_mail_that_waited_is_cancelled_when_observing_begins(
    notifier: NotifierDriver, timing: MailTiming
) -> None:
    await notifier.add_therapist(mail_timing=timing)
    await notifier.handle(changed())
    await set_mode(notifier, "observe")
    notifier.advance(timedelta(days=2))
    await notifier.sweep()
    assert await notifier.delivery_states() == [("email", "cancelled", "switched-off")]
    assert notifier.mail_server.mails == []


async def test_a_live_practice_is_told_again_and_another_option_leaves_the_mode(
    notifier: NotifierDriver,
) -> None:
    await set_mode(notifier, "observe")
    async with await AsyncConnection.connect(notifier.url) as conn:
        await put_tenant(conn, Tenant("north", NOW, {"display_name": "North"}))
    assert await notifier.rows("SELECT observing FROM notifier.practice") == [(True,)]
    await set_mode(notifier, "live")
    await notifier.handle(changed())
    assert ("opened", "email", "told", "to-review") in await notifier.decisions()


async def test_an_unknown_mode_is_refused(notifier: NotifierDriver) -> None:
    with pytest.raises(ValueError, match="mode: expected live or observe"):
        await set_mode(notifier, "silent")
