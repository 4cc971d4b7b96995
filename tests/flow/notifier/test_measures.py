"""Forms of outcome and the therapist's own are drawn beside the alliance, and nothing is said to follow."""

from datetime import datetime

import pytest

from schemas.envelope import MeasureStoredEvent, encode, envelope_fields
from schemas.events import MeasureStored, Status
from schemas.topics import ASSESSED
from services.runtime.kafka.record import Record
from tests.flow.notifier.test_caseload import assessed, page_of
from tests.flow.notifier.test_pages import ITEM, signed_in
from tests.support.detector.episodes import NOW, WEEK, changed
from tests.support.notifier.batch_driver import NotifierDriver


def measured(
    rating: str,
    total: float | None = 21.5,
    at: datetime = NOW,
    *,
    instrument: str = "ors",
    kind: str = "outcome",
    client: str = "c-canary-77",
    revision: int = 1,
    status: Status = Status.RATED,
) -> Record:
    """A measure as the detector publishes it."""
    data = MeasureStored.model_validate(
        {
            "rating_id": rating,
            "practice_id": "north",
            "therapist_id": "t-1",
            "client_id": client,
            "session_id": f"s-{rating}",
            "session_at": at,
            "instrument": instrument,
            "kind": kind,
            "status": status,
            "revision": revision,
            "total": total,
        }
    )
    fields = envelope_fields(f"{rating}-{revision}", "detector", at, b"key")
    value = encode(MeasureStoredEvent.model_validate({**fields, "data": data}))
    return Record(ASSESSED.name, 3, 0, 0, b"key", value)


async def test_the_page_of_an_item_draws_each_measure_on_its_own_axis_with_a_legend(
    notifier: NotifierDriver,
) -> None:
    await notifier.handle_records(
        [
            measured("o-1", 18.0, NOW - WEEK),
            measured("o-2", 24.5),
            measured("p-1", 12.0, instrument="phq-9"),
            measured("w-1", 66.0, instrument="wai-s-t", kind="therapist"),
        ]
    )
    await notifier.handle(changed())
    async with notifier.browser() as browser:
        await signed_in(notifier, browser)
        page = (await browser.get(ITEM)).text
    section = page[page.index('id="measures"') :].partition("</section>")[0]
    assert section.count('role="img"') == 3
    assert "24.5" in section
    assert "Total from 0 to 40; higher means that the client is doing better." in section
    assert "Total from 0 to 27; higher means more distress." in section
    assert "The dashed line is the published cutoff, 10. Source: " in section
    assert "also those about danger, are not looked at here" in section
    assert "Your own rating: Working Alliance Inventory" in section
    assert "because" not in section


async def test_a_page_without_measures_has_no_section_for_them(notifier: NotifierDriver) -> None:
    await notifier.handle_records([measured("o-1", client="somebody-else"), measured("o-2", None)])
    await notifier.handle(changed())
    async with notifier.browser() as browser:
        await signed_in(notifier, browser)
        assert 'id="measures"' not in (await browser.get(ITEM)).text


async def test_the_page_of_all_clients_shows_the_newest_total(notifier: NotifierDriver) -> None:
    await notifier.handle_records([assessed("r-1", "c-1"), measured("o-1", 24.5, client="c-1")])
    await notifier.handle_records([measured("o-2", 31.0, client="only-outcome")])
    async with notifier.browser() as browser:
        page = await page_of(notifier, browser)
    assert page.count('class="measure"') == 2
    assert "only-outcome" in page
    assert "Rapport decides nothing from them" in page


@pytest.mark.parametrize("again", [1, 2])
async def test_the_highest_revision_counts_and_the_newest_twelve_of_an_instrument_are_kept(
    notifier: NotifierDriver, again: int
) -> None:
    records = [measured(f"o-{week:02}", float(week), NOW - WEEK * week) for week in range(15)]
    records.append(measured("o-00", 30.0, revision=2))
    records.append(measured("p-1", 5.0, NOW - WEEK * 40, instrument="phq-9"))
    for _ in range(again):
        await notifier.handle_records(records)
    rows = await notifier.rows("SELECT rating_id, total FROM notifier.measure ORDER BY rating_id")
    assert [rating for rating, _ in rows] == [*(f"o-{week:02}" for week in range(12)), "p-1"]
    assert rows[0][1] == 30.0


async def test_a_measure_that_was_withdrawn_is_not_drawn(notifier: NotifierDriver) -> None:
    await notifier.handle_records([assessed("r-1", "c-1"), measured("o-1", client="c-1")])
    await notifier.handle_records([measured("o-1", None, client="c-1", revision=2, status=Status.WITHDRAWN)])
    async with notifier.browser() as browser:
        assert 'class="measure"' not in await page_of(notifier, browser)
