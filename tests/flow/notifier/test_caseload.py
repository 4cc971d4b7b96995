"""The page of all clients, and the sessions that the notifier keeps for it."""

import re
from datetime import datetime, timedelta

import httpx

from schemas.components import Component
from schemas.envelope import AllianceAssessedEvent, encode, envelope_fields
from schemas.events import AllianceAssessed, Change, ComponentAssessment, Status
from schemas.topics import ASSESSED, REJECTED
from services.runtime.kafka.record import Record
from tests.flow.notifier.test_pages import ITEM, signed_in
from tests.support.detector.episodes import NOW, WEEK, changed, record_of
from tests.support.notifier.batch_driver import NotifierDriver


def assessed(
    rating: str,
    client: str = "c-1",
    at: datetime = NOW,
    *,
    mark: float | None = 7.5,
    revision: int = 1,
    status: Status = Status.RATED,
    practice: str = "north",
    therapist: str = "t-1",
) -> Record:
    """An assessment as the detector publishes it."""
    marked = {one: ComponentAssessment(risk=0, score=mark) for one in Component if mark is not None}
    data = AllianceAssessed.model_validate(
        {
            "rating_id": rating,
            "practice_id": practice,
            "therapist_id": therapist,
            "client_id": client,
            "session_id": f"s-{rating}",
            "session_at": at,
            "instrument": "srs",
            "status": status,
            "revision": revision,
            "components": marked,
            "ratings": 5,
            "early": False,
            "threshold_version": "start",
            "model_version": "toy",
        }
    )
    fields = envelope_fields(f"{rating}-{revision}", "detector", at, b"key")
    value = encode(AllianceAssessedEvent.model_validate({**fields, "data": data}))
    return Record(ASSESSED.name, 3, 0, 0, b"key", value)


async def page_of(notifier: NotifierDriver, browser: httpx.AsyncClient) -> str:
    """Return the page of all clients to a therapist who signs in."""
    await browser.post("/sign-in/link", data={"address": "t1@north.example"})
    await signed_in(notifier, browser)
    page = await browser.get("/caseload")
    assert page.status_code == 200
    return page.text


async def test_every_client_is_listed_with_line_last_form_and_open_item(notifier: NotifierDriver) -> None:
    await notifier.handle_records(
        [
            assessed("r-1", "c-1", NOW - WEEK),
            assessed("r-2", "c-1", NOW, mark=None, status=Status.DECLINED),
            assessed("r-3", "c-2", NOW, therapist="t-2"),
        ]
    )
    await notifier.handle(changed(client="c-9"))
    async with notifier.browser() as browser:
        page = await page_of(notifier, browser)
    assert page.index("c-1") < page.index("11\N{NO-BREAK SPACE}Nov") < page.index("c-9") < page.index(ITEM)
    assert page.count('class="small-line"') == 1
    assert ">c-2<" not in page


async def test_a_closed_item_is_no_open_one(notifier: NotifierDriver) -> None:
    await notifier.handle_records([assessed("r-1", "c-canary-77")])
    await notifier.handle(changed())
    async with notifier.browser() as browser:
        assert ITEM in await page_of(notifier, browser)
        await notifier.handle(changed(Change.REPAIRED, 2))
        assert ITEM not in (await browser.get("/caseload")).text


async def test_a_search_finds_parts_of_a_reference_and_writes_none_into_an_address(
    notifier: NotifierDriver,
) -> None:
    await notifier.handle_records([assessed("r-1", "North-12"), assessed("r-2", "South-13")])
    async with notifier.browser() as browser:
        await page_of(notifier, browser)
        found = await browser.post("/caseload", data={"reference": " north "})
        none = await browser.post("/caseload", data={"reference": "<b>"})
    assert ("North-12" in found.text, "South-13" in found.text) == (True, False)
    assert str(found.url).endswith("/caseload")
    assert "None of your clients" in none.text
    assert "<b>" not in none.text


async def test_the_newest_twelve_sessions_are_kept_in_whatever_order_they_come(
    notifier: NotifierDriver,
) -> None:
    weeks = [7 * place % 20 for place in range(20)]
    records = [assessed(f"r-{week:02}", at=NOW - WEEK * week) for week in weeks]
    for start in range(0, 20, 7):
        await notifier.handle_records(records[start : start + 7])
    await notifier.handle_records(records)
    kept = await notifier.rows("SELECT rating_id FROM notifier.assessed_session ORDER BY rating_id")
    assert [rating for (rating,) in kept] == [f"r-{week:02}" for week in range(12)]


async def test_the_highest_revision_of_a_session_counts_and_what_was_withdrawn_or_cancelled_is_none(
    notifier: NotifierDriver,
) -> None:
    moved = NOW - timedelta(days=1)
    await notifier.handle_records([assessed("r-1", at=moved, mark=3.0, revision=2)])
    await notifier.handle_records([assessed("r-1", mark=9.0), assessed("r-2", "c-2")])
    assert await notifier.rows(
        "SELECT session_at, goal FROM notifier.assessed_session ORDER BY rating_id"
    ) == [
        (moved, 3.0),
        (NOW, 7.5),
    ]
    await notifier.handle_records([assessed("r-2", "c-2", mark=None, revision=2, status=Status.WITHDRAWN)])
    await notifier.handle_records([assessed("r-3", "c-3", mark=None, status=Status.CANCELLED)])
    async with notifier.browser() as browser:
        page = await page_of(notifier, browser)
    assert (">c-1<" in page, ">c-2<" in page, ">c-3<" in page) == (True, False, False)


async def test_what_did_not_take_place_uses_up_no_place_and_does_not_come_back(
    notifier: NotifierDriver,
) -> None:
    weeks = [assessed(f"r-{week:02}", at=NOW - WEEK * week, mark=week / 2) for week in range(14)]
    cancelled = [
        assessed(f"c-{day}", at=NOW + timedelta(days=day), mark=None, status=Status.CANCELLED)
        for day in range(11)
    ]
    withdrawn = assessed("r-02", at=NOW - WEEK * 2, mark=None, revision=2, status=Status.WITHDRAWN)
    await notifier.handle_records([*cancelled, *weeks[:13], withdrawn])
    await notifier.handle_records([weeks[2]])
    kept = [rating for (rating,) in await notifier.rows("SELECT rating_id FROM notifier.assessed_session")]
    forms = [f"r-{week:02}" for week in range(13) if week != 2]
    assert sorted(kept) == sorted([*(f"c-{day}" for day in range(11)), "r-02", *forms])
    async with notifier.browser() as browser:
        page = await page_of(notifier, browser)
    drawn = [60, 55, 50, 45, 40, 35, 30, 25, 20, 15, 5, 0]
    assert f"oldest first: {', '.join(map(str, drawn))}." in page


async def test_many_clients_are_shown_in_pages_and_all_of_them_are_searched(notifier: NotifierDriver) -> None:
    await notifier.handle_records(
        [
            assessed(f"r-{client}-{week}", f"client-{client:03}", NOW - WEEK * week)
            for client in range(500)
            for week in range(12)
        ]
    )

    def clients_in(page: httpx.Response) -> list[str]:
        return re.findall(r'<th scope="row">client-(\d+)</th>', page.text)

    async with notifier.browser() as browser:
        first = await page_of(notifier, browser)
        assert len(first.encode()) < 60_000
        pages = [await browser.get(f"/caseload?page={number}") for number in (1, 2, 10, 11)]
        found = await browser.post("/caseload", data={"reference": "CLIENT-499"})
        many = await browser.post("/caseload", data={"reference": "client-4"})
    assert [(shown := clients_in(page))[:1] + shown[-1:] for page in pages] == [
        ["000", "049"], ["050", "099"], ["450", "499"], ["450", "499"],
    ]  # fmt: skip
    assert ("Page 2 of 10" in pages[1].text, "page=3" in pages[1].text, "page=11" in pages[2].text) == (
        True,
        True,
        False,
    )
    assert clients_in(found) == ["499"]
    assert len(clients_in(many)) == 50
    assert "Shown are 50 of 100 clients" in many.text


async def test_forty_clients_fit_into_sixty_kilobytes(notifier: NotifierDriver) -> None:
    for week in range(12):
        await notifier.handle_records(
            [
                assessed(f"r-{client}-{week}", f"client-{client}", NOW - WEEK * week, mark=5 + week / 3)
                for client in range(40)
            ]
        )
    async with notifier.browser() as browser:
        page = await page_of(notifier, browser)
    assert page.count('<th scope="row">') == 40
    assert len(page.encode()) < 60_000


async def test_an_episode_on_the_topic_of_assessments_is_rejected(notifier: NotifierDriver) -> None:
    good = assessed("r-1")
    wrong = record_of(changed())
    await notifier.handle_records([Record(ASSESSED.name, 3, 0, 0, wrong.key, wrong.value), good])
    assert await notifier.rows("SELECT count(*) FROM notifier.assessed_session") == [(1,)]
    (rejected,) = notifier.published
    assert (rejected.topic, b"unexpected-event" in rejected.value) == (REJECTED.name, True)
