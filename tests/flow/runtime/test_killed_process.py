"""A process that is killed without clean-up, at the labels where most work is half done."""

import asyncio
import os
import sys

import pytest

from services.runtime.process.kill_points import KILLED_EXIT_CODE
from tests.support.runtime.running_sample import until
from tests.support.runtime.sample_service import Sample

VALUES = [str(number) for number in range(20)]


@pytest.mark.parametrize("label", ["after-commit-transaction", "after-publish-one", "before-commit-offset:2"])
async def test_a_process_killed_at_this_label_ends_like_one_that_was_not(sample: Sample, label: str) -> None:
    await sample.send(VALUES)
    environment = os.environ | {
        "KAFKA_BOOTSTRAP_SERVERS": sample.bootstrap,
        "DATABASE_URL": sample.database_url,
        "RAPPORT_KILL_AT": label,
    }
    killed = await asyncio.create_subprocess_exec(
        sys.executable, "-m", "tests.support.runtime.sample_process", sample.name, env=environment
    )
    assert await killed.wait() == KILLED_EXIT_CODE

    async with sample.consumer(max_records=10)():
        await until(lambda: sample.effects() == VALUES, "all effects")
        await until(lambda: sample.query("SELECT next_offset FROM sample.applied") == [(20,)])

    assert list(dict.fromkeys(await sample.published())) == VALUES
    assert sample.query("SELECT count(*) FROM sample.outbox") == [(0,)]
