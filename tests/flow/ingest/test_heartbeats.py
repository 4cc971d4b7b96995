"""One heartbeat per partition and minute, the same from every replica."""

import asyncio
from datetime import UTC, datetime
from pathlib import Path

from schemas.envelope import HeartbeatEvent, decode
from schemas.ids import heartbeat_id
from services.ingest.heartbeat import heartbeat
from tests.support.backend import Backend
from tests.support.ingest.running import all_records, running_ingest

NOW = datetime(2026, 11, 20, 10, 0, 59, 5, tzinfo=UTC)


def test_two_replicas_send_the_same_minute_under_the_same_id() -> None:
    one = decode(heartbeat(3, NOW).value)
    other = decode(heartbeat(3, NOW.replace(second=1)).value)
    assert one.id == other.id == str(heartbeat_id(3, "2026-11-20T10:00Z"))


def test_another_partition_or_minute_has_another_id() -> None:
    ids = {decode(heartbeat(n, NOW.replace(minute=m)).value).id for n in range(2) for m in range(2)}
    assert len(ids) == 4


async def test_every_partition_gets_its_heartbeat_while_ingest_runs(backend: Backend, tmp_path: Path) -> None:
    async with running_ingest(backend.kafka_env, tmp_path) as ingest:
        async with asyncio.timeout(20):
            while await ingest.metric("rapport_ingest_heartbeats_total") < backend.partitions:  # noqa: ASYNC110 - a page
                await asyncio.sleep(0.02)
        records = await all_records(backend.bootstrap)
    events = [decode(record.value) for record in records]
    assert all(isinstance(event, HeartbeatEvent) for event in events)
    assert {record.partition for record in records} == set(range(backend.partitions))
    assert [event.data.partition for event in events if isinstance(event, HeartbeatEvent)] == [
        record.partition for record in records
    ]
