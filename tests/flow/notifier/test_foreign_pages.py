"""A therapist's pages belong to nobody else: to no colleague, and to no namesake in another practice."""

import pytest
from psycopg import AsyncConnection

from schemas.events import Change
from services.notifier.directory.store import put_own_settings
from services.notifier.domain.therapist import OwnSettings
from tests.flow.notifier.test_caseload import assessed
from tests.flow.notifier.test_pages import ITEM, csrf_in, signed_in
from tests.support.detector.episodes import NOW, WEEK, changed, facts_of_a_step
from tests.support.notifier.batch_driver import NotifierDriver

PAGES = ("/", "/caseload", "/sessions", "/settings", "/guide", ITEM, f"{ITEM}/together")
MINE = "c-mine"
SETTINGS = {"language": "", "mail": "on", "timing": "daily", "hour": "9", "paused_until": ""}


@pytest.mark.parametrize(("practice", "therapist"), [("south", "t-1"), ("north", "t-2")])
async def test_nobody_else_sees_or_changes_it(
    notifier: NotifierDriver, practice: str, therapist: str
) -> None:
    mine = await notifier.add_therapist()
    await notifier.add_therapist(practice_id=practice, therapist_id=therapist, address="other@south.example")
    async with await AsyncConnection.connect(notifier.url) as conn:
        await put_own_settings(conn, mine, OwnSettings(language="de", mail_hour=11), NOW)
    others = assessed("r-2", "c-own", practice=practice, therapist=therapist)
    await notifier.handle_records([assessed("r-1", MINE), others])
    async with notifier.browser() as me, notifier.browser() as other:
        await notifier.handle(
            changed(client=MINE, facts=facts_of_a_step()),
            *(changed(episode=f"mine-{number}", client=MINE) for number in range(4)),
        )
        await signed_in(notifier, me)
        ((named,),) = await notifier.rows("SELECT session_id FROM notifier.session")
        csrf = csrf_in(await me.get(ITEM))
        await me.post(f"{ITEM}/answers", data={"answer": "will-discuss", "csrf": csrf})
        await notifier.handle(changed(Change.CONTINUED, 2, client=MINE, session_at=NOW + WEEK))
        before = [(await me.get(page)).text for page in PAGES]
        assert [MINE in page for page in before] == [True, True, False, False, False, True, False]
        assert "Von Ihren 5 Hinweisen" in before[0]
        await notifier.handle(changed(episode="own", practice=practice, therapist=therapist, client="c-own"))
        await signed_in(notifier, other)
        pages = [await other.get(page) for page in PAGES]
        assert [page.status_code for page in pages] == [200] * 5 + [404] * 2
        said = "".join(page.text for page in pages)
        assert "c-own" in said
        assert [word for word in (MINE, str(named), ITEM, "Of your", 'lang="de"') if word in said] == []
        csrf = csrf_in(pages[0])
        for form, fields in {
            f"{ITEM}/answers": {"answer": "undone"},
            f"{ITEM}/topics": {"topic": "pace"},
            f"/sessions/{named}/end": {},
            "/settings": SETTINGS,
        }.items():
            await other.post(form, data={**fields, "csrf": csrf})
        assert [(await me.get(page)).text for page in PAGES] == before
