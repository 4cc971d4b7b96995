"""A crash between any two steps of the order of effects loses nothing and repeats no effect."""

import pytest

from services.runtime.process.kill_points import LABELS
from tests.support.runtime.running_sample import crash_at, until
from tests.support.runtime.sample_service import Sample

VALUES = [str(number) for number in range(30)]
NOTHING_COMMITTED = ("after-read", "after-decode", "before-commit-transaction")


def firsts(values: list[str]) -> list[str]:
    """Return the values without repetitions, in the order of their first occurrences."""
    return list(dict.fromkeys(values))


@pytest.mark.parametrize("label", LABELS)
async def test_a_crash_at_this_label_ends_like_no_crash(sample: Sample, label: str) -> None:
    await sample.send(VALUES)

    assert label == await sample.consumer(checkpoint=crash_at(label), max_records=10).until_crash()
    async with sample.consumer(max_records=10)():
        await until(lambda: sample.effects() == VALUES, "all effects")
        await until(lambda: sample.query("SELECT next_offset FROM sample.applied") == [(30,)], "positions")

    assert firsts(await sample.published()) == VALUES
    assert sample.query("SELECT count(*) FROM sample.outbox") == [(0,)]


@pytest.mark.parametrize("time", [1, 2])
@pytest.mark.parametrize("label", LABELS)
async def test_a_crash_among_parallel_transactions_ends_like_no_crash(
    sample: Sample, label: str, time: int
) -> None:
    await sample.send(VALUES, partition=None)
    in_order = sorted(VALUES, key=lambda value: (int(value) % 4, int(value)))

    crashing = sample.consumer(checkpoint=crash_at(label, time=time), max_records=8, parallel_transactions=2)
    assert label == await crashing.until_crash()
    async with sample.consumer(max_records=8, parallel_transactions=2)():
        await until(lambda: sample.effects() == in_order, "all effects")
        applied = "SELECT sum(next_offset) FROM sample.applied"
        await until(lambda: sample.query(applied) == [(30,)], "positions")

    assert sorted(set(await sample.published())) == sorted(VALUES)
    assert sample.query("SELECT count(*) FROM sample.outbox") == [(0,)]


@pytest.mark.parametrize("label", NOTHING_COMMITTED)
async def test_before_the_commit_a_crash_leaves_no_trace(sample: Sample, label: str) -> None:
    await sample.send(VALUES)

    await sample.consumer(checkpoint=crash_at(label), max_records=10).until_crash()

    assert sample.effects() == []
    assert await sample.published() == []


async def test_after_the_commit_the_stored_bytes_are_published_and_no_record_is_handled_again(
    sample: Sample,
) -> None:
    await sample.send(VALUES[:10])
    await sample.consumer(checkpoint=crash_at("after-commit-transaction")).until_crash()
    handled = list(sample.handled)

    async with sample.consumer()():
        pass

    assert await sample.published() == VALUES[:10]
    assert sample.handled == handled


async def test_when_the_first_record_was_acknowledged_all_are_published_again_in_order(
    sample: Sample,
) -> None:
    await sample.send(VALUES[:10])

    await sample.consumer(checkpoint=crash_at("after-publish-one")).until_crash()
    before = await sample.published()
    async with sample.consumer()():
        pass

    assert before == ["0"]
    assert await sample.published() == ["0", *VALUES[:10]]


async def test_a_crash_in_the_second_batch_leaves_the_first_alone(sample: Sample) -> None:
    await sample.send(VALUES)
    crash = crash_at("before-commit-transaction", time=2)

    await sample.consumer(checkpoint=crash, max_records=10).until_crash()

    assert sample.effects() == VALUES[:10]
    assert await sample.published() == VALUES[:10]
