"""A batch is split by partition, evenly and in order; of several errors the gravest is raised."""

import asyncio

import pytest

from services.runtime.consumer.assignment import Assignment
from services.runtime.consumer.parallel_batch import run_all, split_by_partition
from services.runtime.kafka.record import Record, TopicPartition
from services.runtime.outbox.positions import PartitionsFenced
from services.runtime.process.consumer_metrics import ConsumerMetrics
from services.runtime.process.errors import Halt


def make_record(topic: str, partition: int, offset: int) -> Record:
    return Record(topic, partition, offset, 0, b"k", b"v", ())


def test_a_partition_number_belongs_to_one_part_in_all_topics() -> None:
    records = [make_record(topic, n % 5, n) for n in range(20) for topic in ("ratings", "answers")]

    parts = split_by_partition(records, 2)

    numbers = [{record.partition for record in part} for part in parts]
    assert numbers[0] & numbers[1] == set()
    assert numbers[0] | numbers[1] == set(range(5))
    for part in parts:
        assert part == [record for record in records if record in part]


def test_parts_have_similar_sizes() -> None:
    sizes = {0: 50, 1: 30, 2: 25, 3: 5}
    records = [make_record("t", number, n) for number, size in sizes.items() for n in range(size)]

    assert [len(part) for part in split_by_partition(records, 2)] == [55, 55]


@pytest.mark.parametrize(("max_parts", "partitions", "expected"), [(1, 4, 1), (3, 2, 2), (2, 0, 0)])
def test_no_part_is_empty(max_parts: int, partitions: int, expected: int) -> None:
    assert len(split_by_partition([make_record("t", n, 0) for n in range(partitions)], max_parts)) == expected


async def _end(error: BaseException | None = None) -> None:
    await asyncio.sleep(0)
    if error is not None:
        raise error


def _assignment(*partitions: TopicPartition) -> Assignment:
    assignment = Assignment(ConsumerMetrics("parts"))
    assignment.assign(frozenset(partitions))
    assignment.mark_prepared(dict.fromkeys(partitions, 1), dict.fromkeys(partitions, 0), {})
    return assignment


async def test_all_parts_run_to_their_ends_before_an_error_is_raised() -> None:
    ended = []

    async def slow() -> None:
        for _ in range(5):
            await asyncio.sleep(0)
        ended.append("slow")

    with pytest.raises(OSError, match="away"):
        await run_all([_end(OSError("away")), slow()], _assignment())
    assert ended == ["slow"]


async def test_a_halt_is_raised_before_other_errors() -> None:
    with pytest.raises(Halt, match="act"):
        await run_all([_end(OSError("away")), _end(Halt("act"))], _assignment())


async def test_fenced_partitions_of_all_parts_are_named_together() -> None:
    works = [_end(PartitionsFenced([("t", number)])) for number in (0, 1)]
    with pytest.raises(PartitionsFenced) as fenced:
        await run_all(works, _assignment(("t", 0), ("t", 1)))
    assert fenced.value.partitions == (("t", 0), ("t", 1))


async def test_fenced_partitions_stay_fenced_when_another_part_fails() -> None:
    assignment = _assignment(("t", 0), ("t", 1))

    with pytest.raises(OSError, match="away"):
        await run_all([_end(PartitionsFenced([("t", 0)])), _end(OSError("away"))], assignment)
    assignment.invalidate()

    assert assignment.unprepared == [("t", 1)]
