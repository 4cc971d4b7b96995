"""A practice states next sessions through the API: the last statement counts, in its own practice only."""

import re
from datetime import datetime, timedelta

import httpx
import pytest

from schemas.events import Change
from services.notifier.directory.store import next_session
from services.notifier.domain.next_session import NextSession
from tests.flow.notifier.test_pages import signed_in
from tests.support.detector.episodes import NOW, WEEK, changed
from tests.support.notifier.batch_driver import NotifierDriver
from tests.support.schemas.whole_dates import whole_dates

CLIENT = "c-canary-77"


async def put(api: httpx.AsyncClient, at: datetime | None, **headers: str) -> httpx.Response:
    """State the next session of the client with t-1."""
    body = {"therapist_id": "t-1", "at": None if at is None else at.isoformat()}
    return await api.put(f"/v1/clients/{CLIENT}/next-session", json=body, headers=headers)


async def known(notifier: NotifierDriver, therapist: str = "t-1") -> NextSession | None:
    """The next session as the pages get it."""
    async with notifier.components.pool.connection() as conn:
        return await next_session(conn, "north", therapist, CLIENT, changed(next_session_at=None))


async def test_the_last_statement_counts_and_null_says_that_none_is_planned(notifier: NotifierDriver) -> None:
    expected = NextSession(NOW - timedelta(hours=2) + WEEK, expected=True)
    assert await known(notifier) == expected
    async with notifier.api_client() as api:
        for days in (3, 5, 5):
            notifier.advance(timedelta(minutes=1))
            answer = await put(api, NOW + timedelta(days=days))
            assert answer.status_code == 200
        assert await known(notifier) == NextSession(NOW + timedelta(days=5), expected=False)
        assert await known(notifier, "t-2") == expected
        notifier.advance(-timedelta(minutes=2))
        await put(api, NOW + timedelta(days=9))
        assert await known(notifier) == NextSession(NOW + timedelta(days=5), expected=False)
        notifier.advance(timedelta(minutes=9))
        assert (await put(api, None)).json() == {"client_id": CLIENT, "therapist_id": "t-1", "at": None}
    assert await known(notifier) is None
    assert await notifier.rows("SELECT count(*) FROM notifier.next_session") == [(1,)]


@pytest.mark.parametrize(
    "body",
    [
        {"therapist_id": "t-1", "at": "2026-12-01T10:00:00"},
        {"therapist_id": "t-1", "at": "2029-12-01T10:00:00Z"},
        {"therapist_id": "t-1", "at": 1796119200},
        {"therapist_id": "a@b.example", "at": None},
        {"therapist_id": "t-1"},
        {"at": None},
        {"therapist_id": "t-1", "at": None, "note": "canary"},
    ],
)
async def test_what_is_not_a_statement_is_refused(notifier: NotifierDriver, body: dict[str, object]) -> None:
    async with notifier.api_client() as api:
        answer = await api.put(f"/v1/clients/{CLIENT}/next-session", json=body)
    assert (answer.status_code, "canary" in answer.text) == (422, False)
    assert await notifier.rows("SELECT FROM notifier.next_session") == []


async def test_it_needs_a_key_and_another_practice_is_not_found(notifier: NotifierDriver) -> None:
    async with notifier.browser() as nobody, notifier.api_client() as api:
        assert (await put(nobody, NOW)).status_code == 401
        assert (await put(api, NOW, **{"Rapport-Practice": "south"})).status_code == 404
    assert await notifier.rows("SELECT FROM notifier.next_session") == []


async def test_an_earlier_item_names_the_next_session_that_is_known_by_now(notifier: NotifierDriver) -> None:
    await notifier.handle(changed(episode="old", session_at=NOW - WEEK, next_session_at=NOW + 2 * WEEK))
    closed_at = NOW - timedelta(days=6)
    await notifier.handle(
        changed(Change.ENDED, 2, episode="old", session_at=closed_at, next_session_at=NOW + 2 * WEEK)
    )
    await notifier.handle(changed(session_at=NOW, next_session_at=NOW + WEEK))
    async with notifier.browser() as browser:
        await signed_in(notifier, browser)
        page = (await browser.get("/")).text
    named = re.findall(r"Next session ([^<]*)", page)
    assert named == [whole_dates("Wed 25 Nov, 12:00")] * 2
