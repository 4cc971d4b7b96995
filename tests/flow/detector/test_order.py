"""The order of arrival, duplication and batches change nothing about the outcome."""

import random
from collections.abc import Sequence
from datetime import timedelta

import pytest
from psycopg import AsyncConnection

from schemas import topics
from services.runtime.kafka.record import Outgoing, Record
from tests.flow.detector.conftest import NewDatabase
from tests.support.detector.batch_driver import (
    NOW,
    DetectorDriver,
    SentRating,
    body,
    detector_driver,
    record_of,
)
from tests.support.invariants import (
    broken,
    current_assessments,
    ids_with_two_contents,
    stored_assessments,
    stored_episodes,
)

SEEDS = range(6)


def history(seed: int) -> list[Record]:
    """Three clients' ratings with falls, declined forms, corrections, withdrawals and cancellations."""
    rng = random.Random(seed)  # noqa: S311 - a shuffle is no secret
    records: list[Record] = []

    def own(who: SentRating, week: int, version: int) -> SentRating:
        """Every second session has an id of its practice, which its correction has, too."""
        at = NOW - timedelta(days=31 - version)
        return {} if week % 2 else {"id": who["session_id"], "recorded_at": at}

    def accept(sent: SentRating, minutes: int) -> None:
        accepted = NOW - timedelta(days=7) + timedelta(minutes=minutes)
        records.append(record_of(sent, len(records), accepted_at=accepted))

    for client in range(3):
        for week in range(-14, 0):
            who: SentRating = {"client_id": f"client-{client}", "session_id": f"c{client}w{week}"}
            fall = 2.0 if rng.random() < 0.3 else 0.0
            marks = [round(4.6 - fall - rng.random() * 0.4, 2) for _ in range(3)]
            minute = len(records)
            accept(body(week, None if rng.random() < 0.15 else marks, **who, **own(who, week, 0)), minute)
            if rng.random() < 0.2:
                lower = [round(mark - 0.5, 2) for mark in marks]
                accept(body(week, lower, **who, **own(who, week, 1)), minute + 1)
            if rng.random() < 0.1:
                accept(body(week, status="withdrawn", **who), minute + 2)
            elif rng.random() < 0.1:
                accept(body(week, status="cancelled", **who), minute + 2)
            if rng.random() < 0.2:
                accept(body(week, [4.0, 4.0, 4.0], instrument="srs", **who), minute + 3)
    return records


def disorder(records: Sequence[Record], seed: int) -> list[list[Record]]:
    """The same ratings shuffled, some of them twice, in batches of any size."""
    rng = random.Random(seed)  # noqa: S311 - a shuffle is no secret
    again = [*records, *rng.sample(list(records), len(records) // 3)]
    rng.shuffle(again)
    # A delivery is a place in the log: the same rating sent twice lies in two places.
    placed = [
        Record(one.topic, one.partition, offset, 0, one.key, one.value) for offset, one in enumerate(again)
    ]
    batches = []
    while placed:
        size = rng.choice([1, 2, 7, 40])
        batches.append(placed[:size])
        placed = placed[size:]
    return batches


async def outcome(conn: AsyncConnection) -> tuple[object, object]:
    return await stored_assessments(conn), await stored_episodes(conn)


def without_revisions(outgoing: Sequence[Outgoing]) -> dict[tuple[str, ...], object]:
    return {key: data | {"revision": 0} for key, data in current_assessments(outgoing).items()}


@pytest.mark.parametrize("seed", SEEDS)
async def test_any_shuffle_and_duplication_ends_in_the_same_assessments_and_episodes(
    new_database: NewDatabase, seed: int
) -> None:
    records = history(seed)
    with new_database() as one, new_database() as other:
        async with detector_driver(one) as calm, detector_driver(other) as wild:
            for place in (calm, wild):
                await place.practice()
            for record in records:
                await calm.feed([record])
            for batch in disorder(records, seed):
                await wild.feed(batch)
            assert await outcome(calm.conn) == await outcome(wild.conn)
            assert without_revisions(calm.outgoing) == without_revisions(wild.outgoing)
            for place in (calm, wild):
                assert await broken(place.conn) == {}
                assert ids_with_two_contents(place.outgoing) == []


async def test_reading_everything_again_changes_nothing_and_publishes_nothing(
    detector: DetectorDriver,
) -> None:
    records = history(99)
    await detector.feed(records)
    before = await outcome(detector.conn), await detector.rows("SELECT count(*) FROM detector.duplicate")
    assert await detector.feed(records) == []
    after = await outcome(detector.conn), await detector.rows("SELECT count(*) FROM detector.duplicate")
    assert before == after


async def test_a_lost_snapshot_is_made_again(detector: DetectorDriver) -> None:
    for week in (-3, -2):
        await detector.rate(body(week, (4.5, 4.5, 4.5)))
    await detector.rows("UPDATE detector.dyad SET snapshot = NULL RETURNING 1")
    (out,) = await detector.rate(body(-1, (4.3, 4.3, 4.3)))
    assert out.topic == topics.ASSESSED.name
    assert await detector.rows(
        "SELECT snapshot_revision = history_revision, snapshot IS NOT NULL FROM detector.dyad"
    ) == [(True, True)]
