"""Statistics of a practice's ratings are dated rows: a session is scored with those that were valid then."""

import random
from collections.abc import Sequence
from datetime import timedelta
from typing import Any

import psycopg
import pytest

from schemas import topics
from schemas.events import AllianceAssessed
from services.detector.features.practice_statistics import ENOUGH_CLIENTS
from services.runtime.kafka.record import Record
from tests.flow.detector.conftest import NewDatabase
from tests.support.detector.batch_driver import (
    NOW,
    DetectorDriver,
    body,
    detector_driver,
    events,
    record_of,
    tools_with,
)
from tests.support.detector.statistics import COPIED, DAY, ROWS, caseload, named, renew
from tests.support.detector.toy_detector import StatisticsReader, ToyDetector


async def test_a_session_is_scored_with_the_row_that_is_valid_at_its_time(
    driver: DetectorDriver, reader: StatisticsReader
) -> None:
    await driver.rate(*caseload())
    await renew(driver)
    driver.now = NOW + timedelta(hours=6)
    same_day = await driver.rate(body(0, (4, 4, 4), session_id="same-day", session_at=driver.now))
    driver.now = NOW + 3 * DAY
    next_day = await driver.rate(body(0, (4, 4, 4), session_id="next-day", session_at=NOW + DAY))
    late = await driver.rate(body(0, (4, 4, 4), session_id="late", session_at=NOW - 3 * DAY))
    first = "statistics-2026-03-03T00:00"
    assert named([*same_day, *next_day, *late]) == {"same-day": None, "next-day": first, "late": None}
    assert {key: reader.given[key] for key in ("same-day", "next-day", "late")} == {
        "same-day": None,
        "next-day": first,
        "late": None,
    }


async def test_a_session_dated_ahead_is_scored_with_the_row_valid_at_its_acceptance(
    driver: DetectorDriver,
) -> None:
    await driver.rate(*caseload())
    await renew(driver)
    sent = body(0, (4, 4, 4), session_id="ahead", session_at=NOW + DAY)
    ahead = await driver.rate(sent, accepted_at=NOW)
    assert named(ahead) == {"ahead": None}


async def test_a_correction_leaves_each_session_the_row_that_it_had(
    driver: DetectorDriver, reader: StatisticsReader
) -> None:
    await driver.rate(*caseload())
    await renew(driver)
    driver.now = NOW + 8 * DAY
    await driver.rate(body(1, (4, 4, 4), client_id="c1", session_id="c1:1"))
    await renew(driver)
    driver.now = NOW + 15 * DAY
    await driver.rate(body(2, (4, 4, 4), client_id="c1", session_id="c1:2"))
    before = {key: version for key, version in reader.given.items() if key.startswith("c1:")}
    reader.given.clear()
    await driver.rate(body(-2, (2, 2, 2), client_id="c1", session_id="c1:-2"))
    assert reader.given == before
    assert [before[f"c1:{week}"] for week in (-2, -1, 0, 1, 2)] == [
        None,
        None,
        None,
        "statistics-2026-03-03T00:00",
        "statistics-2026-03-11T00:00",
    ]


async def test_a_withdrawn_rating_names_no_statistics(driver: DetectorDriver) -> None:
    await driver.rate(*caseload())
    await renew(driver)
    driver.now = NOW + 8 * DAY
    sent = body(1, (4, 4, 4), session_id="s")
    assert named(await driver.rate(sent)) == {"s": "statistics-2026-03-03T00:00"}
    driver.now += timedelta(minutes=1)
    withdrawn = await driver.rate(sent | {"status": "withdrawn", "scores": None})
    assert named(withdrawn) == {"s": None}


async def test_practices_do_not_see_one_anothers_statistics(
    driver: DetectorDriver, reader: StatisticsReader
) -> None:
    await driver.practice("east")
    await driver.rate(*caseload())
    await driver.rate(*caseload(ENOUGH_CLIENTS - 1, level=2), practice="east")
    await renew(driver)
    driver.now = NOW + DAY
    for practice in ("north", "east"):
        await driver.rate(body(0, (4, 4, 4), session_id=practice, session_at=driver.now), practice=practice)
    assert (reader.given["north"], reader.given["east"]) == ("statistics-2026-03-03T00:00", None)
    assert [row[0] for row in await driver.rows(ROWS)] == ["north"]


async def test_statistics_are_read_again_when_a_row_was_added(
    driver: DetectorDriver, reader: StatisticsReader
) -> None:
    await driver.rate(*caseload())
    versions = []
    for week in range(3):
        driver.now = NOW + (7 * week) * DAY
        await renew(driver)
        driver.now += DAY
        await driver.rate(body(0, (4, 4, 4), session_id=f"{week}", session_at=driver.now))
        versions.append(reader.given[f"{week}"])
    assert len(set(versions)) == 3


async def test_any_order_of_arrival_and_a_replay_give_the_same_assessments(
    driver: DetectorDriver, new_database: NewDatabase
) -> None:
    """Ratings of five weeks, two of them after corrections and one late, with two rows of statistics."""
    await driver.rate(*caseload())
    await renew(driver)
    driver.now = NOW + 8 * DAY
    await driver.rate(*[body(1, (2, 3, 4), client_id=f"c{n}", session_id=f"c{n}:1") for n in range(9)])
    await renew(driver)
    rows = await driver.rows(ROWS)
    assert len({tuple(row[7]) for row in rows}) == 2
    sent = [
        (body(week, (3 + (week * 7 + client) % 4 * 0.5,) * 3, client_id=f"d{client}",
              session_id=f"d{client}:{week}"), NOW + (week * 7 + lag) * DAY)
        for client in range(3) for week in range(-2, 4) for lag in (0, 9 if client == week else 0)
    ]  # fmt: skip
    corrections = [
        (one | {"scores": {"bond": 2, "goal": 3, "task": 4}}, at + 2 * DAY) for one, at in sent[::5]
    ]
    records = [
        record_of(one, offset, accepted_at=at) for offset, (one, at) in enumerate([*sent, *corrections])
    ]
    found = [await assessments(driver, records, 1000)]
    for seed in (None, 1, 2):
        shuffled = list(records)
        if seed is not None:
            random.Random(seed).shuffle(shuffled)  # noqa: S311 - no secret
        with new_database() as url:
            async with detector_driver(url, StatisticsReader()) as other:
                await copy_rows(other, rows)
                found.append(await assessments(other, shuffled, 3))
    assert {version for _, version in found[0].values()} == {None, rows[0][1], rows[1][1]}
    assert found[1:] == found[:1] * 3


async def copy_rows(driver: DetectorDriver, rows: Sequence[tuple[Any, ...]]) -> None:
    """Give another database the practice `north` with these rows of statistics."""
    await driver.practice()
    for row in rows:
        marks = ", ".join(["%s"] * len(row))
        await driver.conn.execute(
            f"INSERT INTO detector.practice_statistics ({COPIED}) VALUES ({marks})", row
        )
    await driver.conn.execute("UPDATE detector.practice SET statistics = %s", (len(rows),))
    await driver.conn.commit()


async def assessments(
    driver: DetectorDriver, records: Sequence[Record], at_once: int
) -> dict[str, tuple[float | None, str | None]]:
    """Feed these records of the clients d0, d1, …, and return risk and version published last, by session."""
    published = []
    for begin in range(0, len(records), at_once):
        published += await driver.feed(records[begin : begin + at_once])
    found = {}
    for event in events(published, topics.ASSESSED):
        assert isinstance(event.data, AllianceAssessed)
        found[event.data.session_id] = (event.data.risk, event.data.statistics_version)
    return found


@pytest.mark.parametrize(
    "change", ["UPDATE {} SET valid_from = valid_from + interval '1 day'", "DELETE FROM {}"]
)
@pytest.mark.parametrize("table", ["detector.practice_statistics", "detector.threshold"])
async def test_a_dated_row_can_be_neither_changed_nor_deleted(
    driver: DetectorDriver, table: str, change: str
) -> None:
    await driver.rate(*caseload())
    await renew(driver)
    await driver.rows(
        "INSERT INTO detector.threshold VALUES ('north', 'own-1', 'm', 0.4, %s, %s, '{}') RETURNING 1",
        (NOW + DAY, NOW),
    )
    with pytest.raises(psycopg.errors.RaiseException, match="only added"):
        await driver.conn.execute(change.format(table))


async def test_a_row_cannot_be_valid_before_it_was_computed(driver: DetectorDriver) -> None:
    with pytest.raises(psycopg.errors.CheckViolation):
        await driver.conn.execute(
            f"INSERT INTO detector.practice_statistics ({COPIED})"
            " VALUES ('north', 'v', %s, %s, %s, 20, 60, %s)",
            (NOW, NOW, NOW - DAY, [0.5] * 21),
        )


async def test_a_model_that_reads_no_statistics_is_given_none_of_another_models(
    driver: DetectorDriver,
) -> None:
    await driver.rate(*caseload())
    await renew(driver)
    driver.tools = tools_with(ToyDetector(), StatisticsReader())
    driver.now = NOW + 8 * DAY
    published = await driver.rate(body(1, (4, 4, 4), session_id="s"))
    await driver.rows("UPDATE detector.practice SET model_version = 'reader-1' RETURNING 1")
    published += await driver.rate(body(1.1, (4, 4, 4), session_id="t"))
    assert named(published) == {"s": None, "t": "statistics-2026-03-03T00:00"}
