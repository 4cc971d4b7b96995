"""Finds where to read a partition on, and checks that its log is still the one that was applied.

Reading starts with the record that was applied last, although it is applied already: when the log holds
another record there, it lost its end and was written on, and what follows may hide records never applied.
"""

from collections.abc import Sequence
from dataclasses import dataclass

from services.runtime.consumer.assignment import Assignment
from services.runtime.kafka.record import Record, TopicPartition
from services.runtime.outbox.halts import HaltReason, PartitionHalted
from services.runtime.outbox.positions import Applied, Fingerprint


@dataclass(frozen=True, slots=True)
class LogOffsets:
    """A partition's first offset, the offset after its last record, and the group's committed offset."""

    begin: int
    end: int
    committed: int | None = None


@dataclass(frozen=True, slots=True)
class Start:
    """Where a partition is read on."""

    offset: int
    """The first record to read."""
    applied: int
    """The first record to apply; records below it are skipped."""
    last: Fingerprint | None = None
    """What the record before `applied` must be; None when it is not known, or not in the log any more."""


def find_start(
    partition: TopicPartition, applied: Applied | None, log: LogOffsets, *, adopt: bool = False
) -> Start:
    """Return where to start: before the lower of applied and committed offset, or at the beginning.

    The applied offset decides; a committed offset that the log no longer holds is ignored.

    Raises:
        PartitionHalted: records that were never applied are gone, or the log is shorter than what was applied
            of it; with `adopt` the log is read from its beginning instead.
    """
    if applied is None:
        return Start(log.begin, log.begin)
    done = applied.next_offset
    if not log.begin <= done <= log.end:
        if adopt:
            return Start(log.begin, log.begin)
        if done < log.begin:
            reason = HaltReason.LOG_DELETED
            problem = f"{log.begin - done} records were deleted from the log before they were read"
        else:
            reason = HaltReason.LOG_SHORTER
            problem = f"the log ends at {log.end}, before the {done} that was applied: it lost its end"
        raise PartitionHalted(partition, reason, problem, next_offset=done)
    last = applied.last if log.begin < done else None
    first = done if last is None else done - 1
    if log.committed is not None:
        first = max(log.begin, min(first, log.committed))
    return Start(first, done, last)


def check_last_applied(records: Sequence[Record], assignment: Assignment) -> None:
    """Compare the records that were applied last with those now read, once for each prepared partition.

    Raises:
        PartitionHalted: the log holds another record there, or none.
    """
    for record in records:
        partition = (record.topic, record.partition)
        expected = assignment.unverified.get(partition)
        before = assignment.applied[partition] - 1
        if expected is None or record.offset < before:
            continue
        if record.offset == before and Fingerprint.of(record) == expected:
            del assignment.unverified[partition]
        else:
            raise PartitionHalted(
                partition,
                HaltReason.LOG_DIFFERS,
                f"the log holds another record at offset {before} than the one that was applied: it lost its "
                "end and was written on, or it is another log",
                next_offset=before + 1,
            )
