"""A large batch in, strands out that are worked off at the same time: while one waits for PostgreSQL, another
computes.

A partition number belongs to one strand, in all topics, so records of one key stay in order. Strands share
nothing but the assignment, the fuse and the publisher; each has a connection and a transaction of its own.
"""

import asyncio
from collections import defaultdict
from collections.abc import Coroutine, Sequence

from services.runtime.consumer.assignment import Assignment
from services.runtime.kafka.record import Record
from services.runtime.outbox.positions import PartitionsFenced
from services.runtime.process.errors import Halt


def cut(records: Sequence[Record], most: int) -> list[list[Record]]:
    """At most `most` strands of about the same size, none empty, each in the order of `records`."""
    by_number: defaultdict[int, int] = defaultdict(int)
    for record in records:
        by_number[record.partition] += 1
    sizes = [0] * min(most, len(by_number))
    strand_of: dict[int, int] = {}
    for number, size in sorted(by_number.items(), key=lambda item: (-item[1], item[0])):
        strand_of[number] = smallest = sizes.index(min(sizes))
        sizes[smallest] += size
    strands: list[list[Record]] = [[] for _ in sizes]
    for record in records:
        strands[strand_of[record.partition]].append(record)
    return strands


async def together(works: Sequence[Coroutine[object, object, None]], assignment: Assignment) -> None:
    """Run all to their ends, and raise what stopped any of them: first what a person must act upon.

    Raises:
        BaseException: of several errors, the one that asks for most.
    """
    ends = await asyncio.gather(*works, return_exceptions=True)
    errors = [end for end in ends if isinstance(end, BaseException)]
    fenced = [error for error in errors if isinstance(error, PartitionsFenced)]
    others = [error for error in errors if not isinstance(error, PartitionsFenced)]
    if others:
        # What others own stays theirs, whatever the rest is recovered from.
        for error in fenced:
            assignment.fence(error.places)
        raise next((error for error in others if isinstance(error, Halt)), others[0])
    if fenced:
        raise PartitionsFenced([place for error in fenced for place in error.places])
