"""A log that is not the one that was applied halts its partition until it is repaired; nothing is skipped."""

import psycopg

from tests.support.runtime.running_sample import until
from tests.support.runtime.sample_service import Sample


async def make_again(sample: Sample, values: list[str]) -> None:
    """Have partition 0 hold these records instead, as after a topic was made again and written to.

    The embedded broker deletes no topic: the service goes on with its other topic under the same positions.
    """
    await sample.send(values, topic=sample.second)
    with psycopg.connect(sample.database_url) as conn:
        conn.execute("UPDATE sample.applied SET topic = %s", (sample.second,))


async def apply_ten(sample: Sample) -> None:
    """Have the service apply ten records of partition 0."""
    await sample.send(range(10))
    async with sample.consumer()():
        await until(lambda: len(sample.effects()) == 10)


async def test_a_log_with_other_records_below_what_was_applied_halts_its_partition_alone(
    sample: Sample,
) -> None:
    await apply_ten(sample)
    await make_again(sample, [str(number) for number in range(100, 120)])
    await sample.send(["7"], topic=sample.second, partition=1)
    process = sample.consumer(topics=[sample.second])

    async with process(ready=False):
        await until(lambda: process.value("rapport_halted") == 1, "the halt")
        await until(lambda: sample.effects()[10:] == ["7"], "the other partition")

        assert (
            f"halted: {sample.second}/0: the log holds another record at offset 9"
            in (process.reasons["consumer"])
        )
        assert process.value("rapport_consumer_halted_partitions") == 1
        assert not process.health.healthy
    assert sample.query("SELECT topic, partition, reason, next_offset FROM sample.halt") == [
        (sample.second, 0, "log-differs", 10)
    ]


async def test_a_restart_does_not_end_the_halt_and_a_repair_does_while_the_process_runs(
    sample: Sample,
) -> None:
    await apply_ten(sample)
    await make_again(sample, [str(number) for number in range(100, 120)])
    process = sample.consumer(topics=[sample.second])
    async with process(ready=False):
        await until(lambda: process.value("rapport_halted") == 1, "the halt")
    # Even if the record at that offset were the same again: only the repair decides.
    with psycopg.connect(sample.database_url) as conn:
        conn.execute("UPDATE sample.applied SET last_crc = NULL")
    again = sample.consumer(topics=[sample.second])

    async with again(ready=False):
        await until(lambda: "rapport halts repair" in again.reasons.get("consumer", ""), "the halt")
        assert sample.effects() == [str(number) for number in range(10)]

        with psycopg.connect(sample.database_url) as conn:
            conn.execute("DELETE FROM sample.applied")
            conn.execute("DELETE FROM sample.halt")
        await until(lambda: again.health.healthy, "readiness")
        await until(lambda: len(sample.effects()) == 30, "every record of the new log")
        assert again.value("rapport_halted") == 0


async def test_the_same_log_goes_on_after_a_restart(sample: Sample) -> None:
    await apply_ten(sample)
    await sample.send(["10"])
    process = sample.consumer()

    async with process():
        await until(lambda: sample.effects() == [str(number) for number in range(11)])

        assert process.value("rapport_record_outcomes_total", topic=sample.topic, outcome="skipped") == 1
        assert process.value("rapport_consumer_halted_partitions") == 0
    assert len(sample.handled) == 11


async def test_a_partition_whose_fuse_blew_stays_halted_over_a_restart_and_names_the_place(
    sample: Sample,
) -> None:
    await sample.send(["1", *["bad"] * 11])
    await sample.send(["2"], partition=1)
    process = sample.consumer()

    async with process(ready=False):
        await until(lambda: process.value("rapport_fuse_blown") == 1, "the fuse")
        await until(lambda: sample.effects() == ["2"], "the other partition")
    assert (
        f"{sample.topic}/0: 11 records in a row could not be processed, the last at offset 11"
        in (process.reasons_at_stop["consumer"])
    )
    again = sample.consumer()
    async with again(ready=False):
        await until(lambda: "the last at offset 11" in again.reasons.get("consumer", ""), "the same place")
        assert again.value("rapport_fuse_blown") == 1
    assert sample.query("SELECT count(*) FROM sample.rejection") == [(0,)]
