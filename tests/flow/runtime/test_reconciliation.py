"""Every record below the position has an outcome; what has none is stored, counted and survives a restart."""

from services.runtime.kafka.record import Record
from services.runtime.outbox.positions import OffsetRange, missing_before
from tests.support.runtime.running_sample import until
from tests.support.runtime.sample_service import Sample

UNACCOUNTED = "SELECT topic, partition, from_offset, next_offset FROM sample.unaccounted ORDER BY 2, 3"

GAUGE = "rapport_unaccounted_records"


def record(partition: int, offset: int) -> Record:
    return Record("t", partition, offset, 0, b"k", b"v")


def test_what_the_log_lacks_between_applied_records_is_found() -> None:
    records = [record(0, 5), record(1, 2), record(0, 9), record(0, 10), record(1, 3)]

    assert missing_before(records, {("t", 0): 3, ("t", 1): 2}) == [
        OffsetRange("t", 0, 3, 5),
        OffsetRange("t", 0, 6, 9),
    ]


def test_nothing_is_missing_while_each_record_follows_the_one_before() -> None:
    records = [record(0, 3), record(1, 2), record(0, 4), record(1, 3)]

    assert missing_before(records, {("t", 0): 3, ("t", 1): 2}) == []


async def test_a_record_that_a_handler_passes_over_is_stored_and_counted_and_a_restart_still_counts_it(
    sample: Sample,
) -> None:
    await sample.send(["1", "forgotten", "2", "bad"])
    process = sample.consumer()
    async with process():
        await until(lambda: sample.effects() == ["1", "2"])
        await until(lambda: process.value(GAUGE, topic=sample.topic, partition="0") == 1)
        assert process.value(GAUGE, topic=sample.topic, partition="1") == 0
    assert sample.query(UNACCOUNTED) == [(sample.topic, 0, 1, 2)]

    again = sample.consumer()
    async with again():
        await sample.send(["3"])
        await until(lambda: sample.effects() == ["1", "2", "3"])
        assert again.value(GAUGE, topic=sample.topic, partition="0") == 1


async def test_records_that_the_log_lacks_are_stored_and_counted(sample: Sample) -> None:
    await sample.send(["1", "2", "3"])
    process = sample.consumer()
    async with process():
        applied = process.consumer._context.assignment.applied
        await until(lambda: applied.get((sample.topic, 0)) == 3)
        # As if the log had continued at 3 after the record 0.
        applied[sample.topic, 0] = 1
        await sample.send(["4"])
        await until(lambda: sample.effects() == ["1", "2", "3", "4"])
        await until(lambda: process.value(GAUGE, topic=sample.topic, partition="0") == 2)
    assert sample.query(UNACCOUNTED) == [(sample.topic, 0, 1, 3)]


async def test_a_split_batch_and_a_replay_leave_nothing_unaccounted(sample: Sample) -> None:
    await sample.send(["1", "poison", "2", "refused", "3"])
    async with sample.consumer()():
        await until(lambda: sample.effects() == ["1", "2", "3"])
    sample.query("UPDATE sample.applied SET next_offset = 0 RETURNING 1")
    again = sample.consumer()
    async with again():
        await sample.send(["4"])
        await until(lambda: sample.effects() == ["1", "2", "3", "4"])
        assert again.value(GAUGE, topic=sample.topic, partition="0") == 0
    assert sample.query(UNACCOUNTED) == []
