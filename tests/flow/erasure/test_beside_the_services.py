"""An erasure beside a detector that reads: whatever comes first, nothing is left and nothing is lost."""

import asyncio
from dataclasses import replace

from services.cli.admin.erase import erase
from services.runtime.outbox.erasures import Erasures
from services.runtime.process.cli_plugin import ErasureScope
from tests.flow.erasure.conftest import SeededPractice
from tests.support.detector.batch_driver import detector_driver, record_of
from tests.support.erasure import GOOD, SECRET, database, deliveries, tables_with
from tests.support.invariants import broken

ERASED_AFTER = 10


async def test_what_is_read_while_a_client_is_erased_leaves_nothing(practice: SeededPractice) -> None:
    conn = practice.detector.conn
    # What a restored database lacks is made up in the tables, and would be decided upon first.
    await practice.detector.rows("DELETE FROM detector.published_before RETURNING 1")
    before = sum((await deliveries(conn)).values())
    late = [
        record_of(practice.gone.sent(-1, GOOD, f"-late-{number}"), 1_000 + number) for number in range(30)
    ]
    read = 0
    some_were_read = asyncio.Event()

    async def read_all() -> None:
        nonlocal read
        async with detector_driver(practice.url) as beside:
            beside.tools = replace(beside.tools, erasures=Erasures("detector", SECRET))
            for record in late:
                await beside.feed([record])
                read += 1
                if read == ERASED_AFTER:
                    some_were_read.set()

    async def erase_meanwhile() -> int:
        await some_were_read.wait()
        scope = ErasureScope("north", client="client-gone")
        counts = await erase(database(practice.url), SECRET, scope, requested_by="a test")
        return counts["detector.rating"]

    _, ratings_erased = await asyncio.gather(read_all(), erase_meanwhile())
    after = await deliveries(conn)
    assert ratings_erased >= 5 + ERASED_AFTER
    assert await tables_with(conn, practice.gone.ids) == set()
    assert after["erased"] == 9 + len(late)
    assert sum(after.values()) == before + len(late)
    assert await broken(conn) == {}
