"""A restored database goes on above what was published, tells nothing twice and takes back what vanished."""

from collections import defaultdict
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from datetime import UTC, datetime
from urllib.parse import urlsplit
from uuid import UUID

import msgspec
import pytest

from schemas import topics
from schemas.envelope import AllianceAssessedEvent, EpisodeChangedEvent
from schemas.events import AllianceAssessed, Answer, EpisodeChanged
from services.detector.cli.table_checks import check
from services.detector.jobs.decide_restored import decide_restored
from services.detector.storage.lost_log import stored_events
from services.detector.storage.published_before import take_up
from services.runtime.consumer.published_check import FoundRecords
from services.runtime.kafka.record import Outgoing, Record
from services.runtime.outbox.erasures import Erasures
from services.runtime.outbox.transaction import Transaction
from services.runtime.process.cli_plugin import Verdict
from tests.flow.detector.conftest import NewDatabase
from tests.support.detector.batch_driver import (
    DetectorDriver,
    SentRating,
    answer_of,
    body,
    detector_driver,
    events,
    record_of,
)
from tests.support.invariants import broken
from tests.support.postgres import fresh_database

GOOD = (4.5, 4.5, 4.5)
LOW = (2.5, 2.5, 2.5)
UNTIL = 100
"""The end of the log of ratings when the restored database is found."""


@asynccontextmanager
async def backup(postgres_url: str, running: str) -> AsyncIterator[DetectorDriver]:
    """A driver over a copy of a database that nobody is connected to, as it is now."""
    name = urlsplit(running).path.lstrip("/")
    with fresh_database(postgres_url, name) as url:
        async with detector_driver(url) as driver:
            yield driver


async def find(restored: DetectorDriver, published: Sequence[Outgoing]) -> int:
    """Have the restored database look at the log of what was published; return what it lacks."""
    lacking = 0
    by_partition: defaultdict[tuple[str, int], list[Record]] = defaultdict(list)
    for out in published:
        if out.topic in {topics.ASSESSED.name, topics.EPISODE_CHANGED.name}:
            assert out.partition is not None
            log = by_partition[out.topic, out.partition]
            log.append(Record(out.topic, out.partition, len(log), 0, out.key, out.value))

    for (_, partition), log in by_partition.items():
        found = FoundRecords("cluster-1", partition, log, {topics.SESSION_RATED.name: UNTIL})

        async def look(tx: Transaction, found: FoundRecords = found) -> None:
            nonlocal lacking
            lacking += await take_up(tx.conn, found, Erasures("detector"))

        await restored.transact(look)
    return lacking


async def read_on(restored: DetectorDriver) -> list[Outgoing]:
    """Note that everything was read that was accepted before, then decide the clients; return the events."""
    await restored.conn.execute(
        "INSERT INTO detector.applied (cluster_id, topic, partition, next_offset)"
        " SELECT 'cluster-1', %s, partition, %s FROM generate_series(0, 3) partition",
        (topics.SESSION_RATED.name, UNTIL),
    )
    await restored.conn.execute("INSERT INTO detector.cluster (cluster_id) VALUES ('cluster-1')")
    await restored.conn.commit()

    async def decide(tx: Transaction) -> None:
        await decide_restored(tx, restored.tools, range(4), UUID(int=0))

    return await restored.transact(decide)


def assessed(outgoing: Sequence[Outgoing]) -> list[AllianceAssessed]:
    found = events(outgoing, topics.ASSESSED)
    return [event.data for event in found if isinstance(event, AllianceAssessedEvent)]


def changed(outgoing: Sequence[Outgoing]) -> list[EpisodeChanged]:
    found = events(outgoing, topics.EPISODE_CHANGED)
    return [event.data for event in found if isinstance(event, EpisodeChangedEvent)]


def two_contents(outgoing: Sequence[Outgoing]) -> list[str]:
    """The ids of events that were published with different bytes."""
    contents: defaultdict[str, set[bytes]] = defaultdict(set)
    for out in outgoing:
        if out.topic != topics.REJECTED.name:
            contents[msgspec.json.decode(out.value)["id"]].add(out.value)
    return [id_ for id_, values in contents.items() if len(values) > 1]


def kept(outgoing: Sequence[Outgoing]) -> dict[str, tuple[object, ...]]:
    """What a consumer holds that keeps the highest revision of each session."""
    held: dict[str, AllianceAssessed] = {}
    for one in assessed(outgoing):
        known = held.get(one.session_id)
        if known is None or one.revision > known.revision:
            held[one.session_id] = one
        else:
            assert one.revision != known.revision or one == known
    return {id_: (one.risk, one.status.value, one.rating_id) for id_, one in held.items()}


async def stored(driver: DetectorDriver) -> dict[str, tuple[object, ...]]:
    return {
        session: (risk, status, rating)
        for session, risk, status, rating in await driver.rows(
            "SELECT a.session_id, a.risk, r.status, r.rating_id FROM detector.assessment a"
            " JOIN detector.rating r USING (practice_id, rating_id)"
        )
    }


async def rated(driver: DetectorDriver, sent: Sequence[SentRating], first_offset: int) -> list[Outgoing]:
    return await driver.feed([record_of(one, first_offset + at) for at, one in enumerate(sent)])


BEFORE = [body(week, GOOD) for week in (-6, -5, -4)]
AFTER = [body(-3, GOOD), body(-1, LOW, next_session_at=None), body(-2, GOOD)]


@pytest.fixture
async def backed_up(
    database_url: str, postgres_url: str
) -> AsyncIterator[tuple[DetectorDriver, DetectorDriver]]:
    """A running detector over its database, and one over the backup made after the first three sessions."""
    async with detector_driver(database_url) as first:
        await first.practice()
        await rated(first, BEFORE, 0)
        published = first.outgoing
    async with backup(postgres_url, database_url) as restored, detector_driver(database_url) as running:
        running.outgoing += published
        yield running, restored


async def doctor(driver: DetectorDriver) -> tuple[Verdict, str]:
    """Return what `rapport doctor` says about the restored database, its beginning."""
    (found,) = [one for one in await check(driver.conn) if one.name == "restored database"]
    await driver.conn.commit()
    return found.verdict, found.found.partition(" this database")[0]


Drivers = tuple[DetectorDriver, DetectorDriver]


async def test_what_is_read_again_is_told_once_and_counts_on_above_what_was_published(
    backed_up: Drivers,
) -> None:
    running, restored = backed_up
    for at, one in enumerate(AFTER):
        await rated(running, [one], 3 + at)
    log = list(running.outgoing)
    assert [one.change.value for one in changed(log)] == ["opened"]

    assert await find(restored, log) == len(log) - len(BEFORE)
    assert await find(restored, log) == len(log) - len(BEFORE)
    assert await doctor(restored) == (Verdict.NOTICE, f"{len(log) - len(BEFORE)} published events are not in")
    assert await rated(restored, AFTER, 3) == []
    log += await read_on(restored)
    assert await doctor(restored) == (Verdict.GOOD, "0 published events are not in")

    assert [one.change.value for one in changed(log)] == ["opened"]
    assert two_contents(log) == []
    assert kept(log) == await stored(restored) == await stored(running)
    assert await broken(restored.conn) == {}
    assert await restored.rows("SELECT count(*) FROM detector.published_before") == [(0,)]
    assert await restored.rows("SELECT number FROM detector.generation") == [(1,)]

    # From here on everything is as usual, with revisions above those of the lost time.
    (follows,) = changed(await rated(restored, [body(0, LOW)], 6))
    highest = max(one.revision for one in assessed(log))
    assert (follows.change, follows.revision > highest) == ("continued", True)
    assert follows.episode_id == changed(log)[0].episode_id
    assert two_contents(restored.outgoing + log) == []


async def test_an_episode_that_is_not_there_any_more_is_withdrawn_under_a_new_revision(
    backed_up: Drivers,
) -> None:
    running, restored = backed_up
    await rated(running, AFTER[:2], 3)
    (opened,) = changed(running.outgoing)
    log = list(running.outgoing)
    await find(restored, log)

    # The form that opened it was corrected before it was read again.
    later: datetime = body(1)["session_at"]
    corrected = body(-1, GOOD, id="corrected", recorded_at=later)
    again = [record_of(one, 3 + at) for at, one in enumerate(AFTER[:2])]
    await restored.feed([*again, record_of(corrected, 5, accepted_at=later)])
    log += await read_on(restored)

    withdrawn = changed(log)[-1]
    assert (withdrawn.change, withdrawn.episode_id) == ("withdrawn", opened.episode_id)
    assert withdrawn.revision > opened.revision
    assert (two_contents(log), kept(log)) == ([], await stored(restored))
    assert await broken(restored.conn) == {}


async def test_an_assessment_whose_rating_is_in_no_log_any_more_is_withdrawn(backed_up: Drivers) -> None:
    running, restored = backed_up
    await rated(running, AFTER[:1], 3)
    log = list(running.outgoing)
    await find(restored, log)

    log += await read_on(restored)

    (gone,) = [one for one in assessed(log) if one.status == "withdrawn"]
    assert (gone.session_id, gone.revision, gone.risk) == ("s-3", 2, None)
    assert {id_: one for id_, one in kept(log).items() if id_ != "s-3"} == await stored(restored)
    # Sent again, it is assessed above that.
    again = await rated(restored, AFTER[:1], 3)
    assert [one.revision for one in assessed(again)] == [3]
    assert two_contents(log + again) == []


async def test_a_client_who_is_new_since_the_backup_waits_too(backed_up: Drivers) -> None:
    running, restored = backed_up
    new = [body(week, GOOD if week < -1 else LOW, client_id="client-2") for week in (-4, -3, -2, -1)]
    await rated(running, new, 3)
    log = list(running.outgoing)
    await find(restored, log)

    assert await rated(restored, new[:2], 3) + await rated(restored, new[2:], 5) == []
    log += await read_on(restored)

    assert [one.change.value for one in changed(log)] == ["opened"]
    assert two_contents(log) == []
    assert await restored.rows("SELECT count(*) FROM detector.assessment") == [(len(BEFORE) + len(new),)]
    assert await broken(restored.conn) == {}


async def test_an_answer_that_is_read_again_is_taken_into_account(backed_up: Drivers) -> None:
    running, restored = backed_up
    await rated(running, AFTER, 3)
    (opened,) = changed(running.outgoing)
    answer = answer_of(body(0), str(opened.episode_id), Answer.DISCUSSED, 1)
    await running.feed([answer])
    log = list(running.outgoing)
    await find(restored, log)

    await rated(restored, AFTER, 3)
    await restored.feed([answer])
    log += await read_on(restored)

    assert [one.change.value for one in changed(log)] == ["opened", "acknowledged"]
    assert await restored.rows("SELECT state FROM detector.episode") == [("acknowledged",)]


async def test_a_database_restored_twice_counts_above_both_times(
    backed_up: Drivers, postgres_url: str, database_url: str, new_database: NewDatabase
) -> None:
    running, restored = backed_up
    await rated(running, AFTER, 3)
    log = list(running.outgoing)
    await find(restored, log)
    await rated(restored, AFTER, 3)
    log += await read_on(restored)
    log += await rated(restored, [body(0, LOW)], 6)
    first = max(one.revision for one in assessed(log))

    # The same backup once more: it knows nothing of the first time.
    with new_database() as url:
        async with detector_driver(url) as again:
            await again.practice()
            await rated(again, BEFORE, 0)
            again.outgoing.clear()
            await find(again, log)
            await rated(again, [*AFTER, body(0, LOW)], 3)
            log += await read_on(again)
            assert min(one.revision for one in assessed(again.outgoing)) > first
            assert changed(again.outgoing) == []
            assert (two_contents(log), kept(log)) == ([], await stored(again))


async def test_a_change_is_published_again_byte_for_byte(backed_up: Drivers) -> None:
    running, _ = backed_up
    await rated(running, AFTER, 3)
    published = [one for one in running.outgoing if one.topic == topics.EPISODE_CHANGED.name]
    again = await stored_events(running.conn, datetime(2000, 1, 1, tzinfo=UTC))
    assert [(one.topic, one.key, one.value) for one in again] == [
        (one.topic, one.key, one.value) for one in published
    ]
