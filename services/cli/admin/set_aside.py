"""Shows records of a partition that the fuse halted, and has the bad ones set aside.

A consumer that was halted goes on by itself: it rejects what it cannot process at these places, each record
with its reason, and processes the others.
"""

from collections.abc import AsyncIterator, Mapping, Sequence
from dataclasses import dataclass

from services.cli import plugins
from services.cli.admin.log_reader import open_log
from services.cli.endpoints import Endpoints
from services.runtime.kafka.record import Record
from services.runtime.outbox.halts import HaltedPartition, HaltReason, HaltStore
from services.runtime.postgres.connect import Connection, connect_for_all_practices
from services.runtime.process.cli_plugin import Plugin


class NothingToSetAside(Exception):
    """The places cannot be set aside; the message says why, and what to do."""


@dataclass(frozen=True, slots=True)
class Places:
    """Offsets of a partition, the last one included."""

    topic: str
    partition: int
    first: int
    last: int


@dataclass(frozen=True, slots=True)
class PeekedRecord:
    """A record, and what each service that reads its topic says about it: None if it can read it."""

    record: Record
    unreadable: Mapping[str, str | None]


async def peek(endpoints: Endpoints, places: Places) -> AsyncIterator[PeekedRecord]:
    """Yield the records at these places, as far as the log holds them; nothing is changed."""
    async with await connect_for_all_practices(endpoints.database, "rapport-rejected") as conn:
        readers = [one for one in plugins.installed() if one.has_tables and await _reads(conn, one, places)]
    async with open_log(endpoints.kafka, places.topic, places.partition) as log:
        async for record in log.records(places.first, places.last):
            yield PeekedRecord(
                record,
                {
                    one.name: one.why_unreadable(record.topic, record.key, record.value)
                    for one in readers
                    if one.why_unreadable is not None
                },
            )


async def set_aside(endpoints: Endpoints, places: Places) -> Sequence[str]:
    """Have bad records at these places set aside; return the services that go on.

    Raises:
        NothingToSetAside: no service is halted there by the fuse, or the log does not reach so far.
    """
    async with open_log(endpoints.kafka, places.topic, places.partition) as log:
        _, end = await log.offsets()
    if not places.first <= places.last < end:
        raise NothingToSetAside(
            f"The last record of {places.topic}/{places.partition} has offset {end - 1}:"
            " expected offsets up to there, the first of them first."
        )
    services = []
    async with await connect_for_all_practices(endpoints.database, "rapport-rejected") as conn:
        for name in plugins.services_with_tables():
            for halt in await _halts(conn, name, places):
                await HaltStore(name).let_set_aside(conn, halt, range(places.first, places.last + 1))
                services.append(name)
    if not services:
        raise NothingToSetAside(
            f"The fuse has halted no service in {places.topic}/{places.partition}."
            " `rapport halts list` shows what is halted, and why."
        )
    return services


async def _halts(conn: Connection, service: str, places: Places) -> Sequence[HaltedPartition]:
    return [
        halt
        for halt in await HaltStore(service).read(conn)
        if halt.partition == (places.topic, places.partition) and halt.reason is HaltReason.FUSE
    ]


async def _reads(conn: Connection, plugin: Plugin, places: Places) -> bool:
    rows = await conn.execute(f"SELECT FROM {plugin.name}.epoch WHERE topic = %s LIMIT 1", (places.topic,))
    return await rows.fetchone() is not None
