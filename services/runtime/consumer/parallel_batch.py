"""Splits a large batch by partition into transactions that run concurrently.

While one transaction waits for PostgreSQL another one computes. Each partition number belongs to one
transaction in all topics, so the records of one key stay in order. The transactions share the assignment,
the fuse and the publisher; each has its own connection.
"""

import asyncio
from collections import defaultdict
from collections.abc import Coroutine, Sequence

from services.runtime.consumer.assignment import Assignment
from services.runtime.kafka.record import Record
from services.runtime.outbox.positions import PartitionsFenced
from services.runtime.process.errors import Halt


def split_by_partition(records: Sequence[Record], max_parts: int) -> list[list[Record]]:
    """Split records into at most `max_parts` non-empty parts of similar size, each in the given order."""
    size_of_partition: defaultdict[int, int] = defaultdict(int)
    for record in records:
        size_of_partition[record.partition] += 1
    sizes = [0] * min(max_parts, len(size_of_partition))
    part_of: dict[int, int] = {}
    for partition, size in sorted(size_of_partition.items(), key=lambda item: (-item[1], item[0])):
        part_of[partition] = smallest = sizes.index(min(sizes))
        sizes[smallest] += size
    parts: list[list[Record]] = [[] for _ in sizes]
    for record in records:
        parts[part_of[record.partition]].append(record)
    return parts


async def run_all(works: Sequence[Coroutine[object, object, None]], assignment: Assignment) -> None:
    """Run all coroutines to their ends, then raise the gravest of their errors.

    Raises:
        Halt: at least one of them needs an operator.
        PartitionsFenced: all errors are of this kind; it names the partitions of all of them.
        BaseException: the first other error; fenced partitions are marked as such before.
    """
    results = await asyncio.gather(*works, return_exceptions=True)
    errors = [result for result in results if isinstance(result, BaseException)]
    fenced = [error for error in errors if isinstance(error, PartitionsFenced)]
    others = [error for error in errors if not isinstance(error, PartitionsFenced)]
    if others:
        # However the other error is recovered from, fenced partitions belong to another process.
        for error in fenced:
            assignment.fence(error.partitions)
        raise next((error for error in others if isinstance(error, Halt)), others[0])
    if fenced:
        raise PartitionsFenced([partition for error in fenced for partition in error.partitions])
