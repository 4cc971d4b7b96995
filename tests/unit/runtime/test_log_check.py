"""Reading starts where nothing is lost; a log that lost records, or holds others, halts its partition."""

import pytest

from services.runtime.consumer.assignment import Assignment
from services.runtime.consumer.log_check import LogOffsets, Start, check_last_applied, find_start
from services.runtime.kafka.record import Record
from services.runtime.outbox.halts import HaltReason, PartitionHalted
from services.runtime.outbox.positions import Applied, Fingerprint
from services.runtime.process.consumer_metrics import ConsumerMetrics

PARTITION = ("topic", 3)
LAST = Fingerprint(1_000, 7)


def record(offset: int, value: bytes = b"value", *, timestamp_ms: int = 1_000) -> Record:
    """Return a record of the partition."""
    return Record("topic", 3, offset, timestamp_ms, b"key", value)


@pytest.mark.parametrize(
    ("applied", "committed", "start"),
    [
        (None, None, Start(10, 10)),
        (None, 40, Start(10, 10)),
        (Applied(30), None, Start(30, 30)),
        (Applied(30, LAST), None, Start(29, 30, LAST)),
        (Applied(30, LAST), 40, Start(29, 30, LAST)),
        (Applied(30, LAST), 20, Start(20, 30, LAST)),
        (Applied(30, LAST), 5, Start(10, 30, LAST)),
        (Applied(11, LAST), None, Start(10, 11, LAST)),
        (Applied(10, LAST), 10, Start(10, 10)),
        (Applied(50, LAST), 50, Start(49, 50, LAST)),
    ],
)
def test_reading_starts_with_the_last_applied_record_or_at_a_lower_committed_offset(
    applied: Applied | None, committed: int | None, start: Start
) -> None:
    assert start == find_start(PARTITION, applied, LogOffsets(10, 50, committed))


@pytest.mark.parametrize(("applied", "problem"), [(9, "1 records were deleted"), (51, "it lost its end")])
def test_an_offset_outside_the_log_halts_with_the_command_that_repairs(applied: int, problem: str) -> None:
    with pytest.raises(PartitionHalted, match=f"topic/3: .*{problem}.*rapport halts repair"):
        find_start(PARTITION, Applied(applied), LogOffsets(10, 50))


def test_an_embedded_log_is_read_from_its_beginning_instead() -> None:
    assert find_start(PARTITION, Applied(51), LogOffsets(10, 50, 51), adopt=True) == Start(10, 10)


@pytest.fixture
def assignment() -> Assignment:
    """An assignment of which the record at offset 4 was applied last."""
    made = Assignment(ConsumerMetrics("test"))
    made.assign(frozenset({PARTITION}))
    made.mark_prepared({PARTITION: 1}, {PARTITION: 5}, {PARTITION: Fingerprint.of(record(4))})
    return made


def test_the_last_applied_record_is_compared_once(assignment: Assignment) -> None:
    check_last_applied([record(3)], assignment)
    assert assignment.positions == {PARTITION: 4}
    check_last_applied([record(4), record(5)], assignment)
    assert assignment.positions == {PARTITION: 5}
    check_last_applied([record(6)], assignment)


@pytest.mark.parametrize(
    "found", [record(4, b"other"), record(4, timestamp_ms=1_001), record(5)], ids=["value", "time", "missing"]
)
def test_another_record_where_the_last_applied_one_was_halts(assignment: Assignment, found: Record) -> None:
    with pytest.raises(PartitionHalted, match=r"another record at offset 4 .*rapport halts repair") as halted:
        check_last_applied([found], assignment)

    assert (halted.value.partition, halted.value.next_offset) == (PARTITION, 5)


def test_a_halted_partition_is_neither_prepared_nor_read(assignment: Assignment) -> None:
    assignment.set_halted({PARTITION: (HaltReason.LOG_DIFFERS, "run the repair")})

    assert (assignment.unprepared, assignment.positions, assignment.owned("topic")) == ([], {}, frozenset())
    assert assignment.problem == "halted: run the repair"

    assignment.set_halted({})
    assert assignment.unprepared == [PARTITION]
    assert assignment.problem is None
