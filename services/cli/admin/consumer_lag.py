"""Checks how far each service is behind in the logs that it reads, for `rapport doctor`."""

import asyncio
from collections.abc import AsyncIterator, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

import aiokafka
import psycopg
from aiokafka import AIOKafkaConsumer
from aiokafka.errors import KafkaError

from schemas.topics import SESSION_HISTORY_RATED
from services.cli import plugins
from services.cli.endpoints import Endpoints
from services.runtime.kafka.client_options import client_options
from services.runtime.postgres.connect import connect_for_all_practices
from services.runtime.process.cli_plugin import CheckResult, Connection, Verdict

_LATE_AFTER = timedelta(minutes=5)
_HISTORY_LATE_AFTER = timedelta(hours=6)
"""History waits while other ratings arrive."""
_MOST_READ = 24
"""The number of partitions whose oldest waiting record is looked at: those of one topic."""
_DEADLINE_S = 15.0
_APPLIED = "SELECT topic, partition, next_offset FROM {0}.applied JOIN {0}.cluster USING (cluster_id)"

_Offsets = Mapping[aiokafka.TopicPartition, int]


@dataclass(frozen=True, slots=True)
class _Waiting:
    """The oldest record of a partition that a service has not applied."""

    partition: aiokafka.TopicPartition
    since: datetime

    def is_late(self, now: datetime) -> bool:
        history = self.partition.topic == SESSION_HISTORY_RATED.name
        return now - self.since > (_HISTORY_LATE_AFTER if history else _LATE_AFTER)


async def check_lag(endpoints: Endpoints) -> AsyncIterator[CheckResult]:
    """Yield one result for each service that has read something.

    While Kafka or PostgreSQL is away, which is checked by itself, the one result says that it cannot be read.
    """
    try:
        applied = await _read_applied(endpoints)
        if not any(applied.values()):
            return
        async with asyncio.timeout(_DEADLINE_S):
            consumer = AIOKafkaConsumer(
                **client_options(endpoints.kafka), auto_offset_reset="none", enable_auto_commit=False,
                isolation_level="read_committed", fetch_max_wait_ms=100,
            )  # fmt: skip
            await consumer.start()
            try:
                read = {service: offsets for service, offsets in applied.items() if offsets}
                results = [await _check(consumer, service, offsets) for service, offsets in read.items()]
            finally:
                await consumer.stop()
    except (KafkaError, psycopg.Error, OSError) as error:
        yield CheckResult("lag", Verdict.NOTICE, f"cannot be read ({type(error).__name__})", "see above")
        return
    for result in results:
        yield result


async def _read_applied(endpoints: Endpoints) -> dict[str, _Offsets]:
    async with await connect_for_all_practices(endpoints.database, "doctor") as conn:
        return {service: await _offsets(conn, service) for service in plugins.services_with_tables()}


async def _offsets(conn: Connection, service: str) -> _Offsets:
    rows = await (await conn.execute(_APPLIED.format(service).encode())).fetchall()
    return {aiokafka.TopicPartition(topic, partition): offset for topic, partition, offset in rows}


async def _check(consumer: AIOKafkaConsumer, service: str, applied: _Offsets) -> CheckResult:
    name = f"lag of {service}"
    begins, ends = await consumer.beginning_offsets(applied), await consumer.end_offsets(applied)
    lost = [one for one, offset in applied.items() if not begins[one] <= offset <= ends[one]]
    if lost:
        listed = ", ".join(f"{one.topic}/{one.partition}" for one in sorted(lost))
        todo = "see docs/runbooks/ConsumerHalted.md and `rapport halts list`"
        return CheckResult(name, Verdict.BAD, f"the log does not hold what was read last of {listed}", todo)
    behind = {one: ends[one] - offset for one, offset in applied.items() if offset < ends[one]}
    records = sum(behind.values())
    if not behind:
        return CheckResult(name, Verdict.GOOD, "everything in the logs is read")
    now = datetime.now(UTC)
    most = sorted(behind, key=lambda one: behind[one], reverse=True)[:_MOST_READ]
    waiting = [await _oldest(consumer, one, applied[one]) for one in most]
    late = sorted((one for one in waiting if one.is_late(now)), key=lambda one: one.since)
    if not late:
        return CheckResult(name, Verdict.GOOD, f"{records} records wait, none for long")
    where, minutes = late[0].partition, int((now - late[0].since).total_seconds() // 60)
    return CheckResult(
        name,
        Verdict.BAD,
        f"{records} records wait, the oldest in {where.topic}/{where.partition} for {minutes} minutes",
        "check that the service is ready, and `rapport halts list`; see docs/runbooks/HeartbeatMissing.md",
    )


async def _oldest(consumer: AIOKafkaConsumer, partition: aiokafka.TopicPartition, offset: int) -> _Waiting:
    consumer.assign([partition])
    consumer.seek(partition, offset)
    record = await consumer.getone()
    return _Waiting(partition, datetime.fromtimestamp(record.timestamp / 1000, UTC))
