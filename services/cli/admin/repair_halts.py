"""Repairs halted partitions: reading goes on where the log and PostgreSQL part, and nothing is lost.

1. find the last stored record that the log still holds; what PostgreSQL stores of later places belongs to an
   end of the log that is lost, and is named
2. set the position behind that record, and delete the halt: a running service goes on within seconds
3. compare the events that the services published with the logs, and publish again those that are missing
"""

from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta

from schemas.envelope import HEADERS
from schemas.topics import ALL
from services.cli import plugins
from services.cli.admin.log_reader import LogReader, open_log
from services.cli.endpoints import Endpoints
from services.runtime.kafka.record import Outgoing
from services.runtime.outbox.halts import HaltedPartition, HaltReason, HaltStore
from services.runtime.outbox.outbox_table import Outbox
from services.runtime.outbox.positions import Fingerprint, PositionStore
from services.runtime.postgres.connect import Connection, connect_for_all_practices
from services.runtime.process.cli_plugin import KnownRecord, LogEnd, Plugin, StoredEvent


@dataclass(frozen=True, slots=True)
class ServiceHalt:
    """A halted partition, and the service that is halted."""

    service: str
    halt: HaltedPartition


@dataclass(slots=True)
class Repair:
    """What was done about one halted partition."""

    where: str
    read_from: int | None = None
    """The offset from which the partition is read on; None when its position was right."""
    lost: list[str] = field(default_factory=list)
    """What was accepted, is stored, and is not in the log any more: a line for each, by id."""


async def list_halts(endpoints: Endpoints) -> list[ServiceHalt]:
    """Return the halted partitions of every service."""
    async with await connect_for_all_practices(endpoints.database, "rapport-halts") as conn:
        return [
            ServiceHalt(service, halt)
            for service in plugins.services_with_tables()
            for halt in await HaltStore(service).read(conn)
        ]


async def repair_all(endpoints: Endpoints) -> tuple[list[Repair], list[StoredEvent]]:
    """Repair every halted partition; return what was done, and the events that are published again.

    Each partition is repaired in a transaction of its own, so an interrupted repair is continued by the next.

    Raises:
        aiokafka.errors.KafkaError, psycopg.Error: Kafka or PostgreSQL failed.
    """
    repairs, log_lost = [], False
    async with await connect_for_all_practices(endpoints.database, "rapport-halts") as conn:
        await conn.set_autocommit(True)
        for plugin in plugins.installed():
            if not plugin.has_tables:
                continue
            for halt in await HaltStore(plugin.name).read(conn):
                log_lost |= halt.reason is not HaltReason.FUSE
                async with conn.transaction():
                    repairs.append(await _repair(conn, endpoints, plugin, halt))
                    await HaltStore(plugin.name).delete(conn, halt)
        again = await _publish_missing(conn, endpoints) if log_lost else []
    return repairs, again


async def _repair(conn: Connection, endpoints: Endpoints, plugin: Plugin, halt: HaltedPartition) -> Repair:
    topic, number = halt.partition
    repair = Repair(f"{plugin.name}, {topic}/{number}")
    if halt.reason is HaltReason.FUSE:
        return repair
    async with open_log(endpoints.kafka, topic, number) as log:
        begin, end = await log.offsets()
        known = await _known(conn, plugin, LogEnd(halt.cluster_id, topic, number, begin))
        read_from = await _find_end_of_known([one for one in known if one.offset < end], log, begin)
        last = Fingerprint.of(await log.read(read_from - 1)) if read_from > begin else None
    lost = LogEnd(halt.cluster_id, topic, number, read_from)
    moved_to = f"{halt.cluster_id}~{halt.halted_at:%Y%m%dT%H%M%S}"
    if plugin.forget_log_end is not None:
        repair.lost = await plugin.forget_log_end(conn, lost, moved_to)
    await _move_rejections(conn, plugin.name, lost, moved_to)
    await PositionStore(plugin.name).move(conn, halt.cluster_id, halt.partition, read_from, last)
    repair.read_from = read_from
    return repair


async def _known(conn: Connection, plugin: Plugin, end: LogEnd) -> list[KnownRecord]:
    known = [] if plugin.known_records is None else await plugin.known_records(conn, end)
    rows = await conn.execute(
        f"""
        SELECT "offset", key, value FROM {plugin.name}.rejection
        WHERE cluster_id = %s AND topic = %s AND partition = %s AND "offset" >= %s
        """,
        (end.cluster_id, end.topic, end.partition, end.from_offset),
    )
    async for offset, key, value in rows:
        expected = (_bytes(key), _bytes(value))
        known.append(KnownRecord(offset, lambda *found, expected=expected: found == expected))
    return sorted(known, key=lambda one: one.offset)


async def _find_end_of_known(known: Sequence[KnownRecord], log: LogReader, begin: int) -> int:
    """Return the offset after the last known record that the log still holds: a log parts at one place."""
    low, high = 0, len(known)
    while low < high:
        middle = (low + high) // 2
        record = await log.read(known[middle].offset)
        if record.offset == known[middle].offset and known[middle].matches(record.key, record.value):
            low = middle + 1
        else:
            high = middle
    return known[low - 1].offset + 1 if low else begin


async def _move_rejections(conn: Connection, service: str, lost: LogEnd, cluster_id: str) -> None:
    # Their places belong to other records now, which may be rejected or erased, too.
    for table in ("rejection", "erased"):
        await conn.execute(
            f"""
            UPDATE {service}.{table} SET cluster_id = %s
            WHERE cluster_id = %s AND topic = %s AND partition = %s AND "offset" >= %s
            """,
            (cluster_id, lost.cluster_id, lost.topic, lost.partition, lost.from_offset),
        )


async def _publish_missing(conn: Connection, endpoints: Endpoints) -> list[StoredEvent]:
    """Write the events that no log holds to the outboxes of their services, which publish them."""
    # What is older than the shortest retention may be missing for a good reason.
    since = datetime.now(UTC) - timedelta(milliseconds=min(topic.retention_ms for topic in ALL))
    missing = []
    for plugin in plugins.installed():
        if plugin.stored_events is None:
            continue
        own = await _not_in_log(await plugin.stored_events(conn, since), endpoints)
        async with conn.transaction():
            await Outbox(plugin.name).write(
                conn, [Outgoing(one.topic, one.key, one.value, one.partition, HEADERS) for one in own]
            )
        missing += own
    return missing


async def _not_in_log(events: Iterable[StoredEvent], endpoints: Endpoints) -> list[StoredEvent]:
    by_partition: defaultdict[tuple[str, int], list[StoredEvent]] = defaultdict(list)
    for event in events:
        by_partition[event.topic, event.partition].append(event)
    missing = []
    for (topic, partition), stored in sorted(by_partition.items()):
        async with open_log(endpoints.kafka, topic, partition) as log:
            ids = await log.event_ids()
        missing += [event for event in stored if event.event_id not in ids]
    return missing


def _bytes(value: object) -> bytes | None:
    return None if value is None else bytes(value)  # type: ignore[call-overload]
