"""A background topic is read in small slices when the others are at their ends, and never stands still."""

from itertools import groupby

from services.runtime.consumer.consumer_options import BatchLimits
from tests.support.runtime.running_sample import until
from tests.support.runtime.sample_service import Sample

BACKGROUND = [f"b{number}" for number in range(640)]
SLICE = BatchLimits().background_records
PARTITIONS = 4


def batches(sample: Sample) -> list[list[tuple[str, int, int]]]:
    """Return the handled records batch by batch."""
    places = iter(sample.handled)
    return [[next(places) for _ in range(size)] for size in sample.batches]


async def test_slices_are_small_and_give_way_to_full_batches_without_standing_still(sample: Sample) -> None:
    await sample.send(BACKGROUND, partition=None, topic=sample.second)
    await sample.send(range(300))
    process = sample.consumer(max_records=10, background=[sample.second])
    async with process():
        await until(lambda: len(sample.handled) == 300 + len(BACKGROUND), "all records")
    assert len(sample.effects()) == 300 + len(BACKGROUND)

    for batch in batches(sample):
        assert len({topic for topic, _, _ in batch}) == 1
        if batch[0][0] == sample.second:
            partitions = sorted(partition for _, partition, _ in batch)
            assert max(len(list(same)) for _, same in groupby(partitions)) <= SLICE
    is_slice = [batch[0][0] == sample.second for batch in batches(sample)]
    last = len(is_slice) - 1 - is_slice[::-1].index(False)
    assert 2 <= sum(is_slice[:last]) <= 5  # after ten batches each, and where the first fetch brought one


async def test_a_record_does_not_wait_for_the_end_of_the_background(sample: Sample) -> None:
    await sample.send(BACKGROUND, partition=None, topic=sample.second)
    sample.seconds_a_record = 0.003
    process = sample.consumer(background=[sample.second])
    async with process():
        await until(lambda: len(sample.handled) >= 2 * SLICE, "the first slices")
        await sample.send(["live"], partition=2)
        await until(lambda: (sample.topic, 2, 0) in sample.handled, "the record")
        assert len(sample.handled) < len(BACKGROUND)
        sample.seconds_a_record = 0.0
        await until(lambda: len(sample.handled) == 1 + len(BACKGROUND), "the rest")


async def test_positions_and_lag_are_those_of_each_topic(sample: Sample) -> None:
    await sample.send(["a", "b", "c"], topic=sample.second)
    await sample.send(["d"])
    async with sample.consumer(background=[sample.second])() as consumer:
        await until(lambda: len(sample.handled) == 4, "all records")
        assert consumer.session is not None
        # aiokafka fetches nothing from a broker for this long while something it sent waits to be read.
        assert consumer.session.subscription.consumer._fetcher._prefetch_backoff == 0
    await sample.send(["e"], topic=sample.second)
    async with sample.consumer(background=[sample.second])():
        await until(lambda: len(sample.handled) == 5, "the newest")
    assert sample.query("SELECT topic, next_offset FROM sample.applied WHERE next_offset > 0 ORDER BY 2") == [
        (sample.topic, 1),
        (sample.second, 4),
    ]
