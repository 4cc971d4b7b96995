"""Measures the cost of the runtime alone: reading, transaction, outbox, publishing and commit.

    python -m bench.runtime [--records 40000] [--batch 512 1024 2048]

Each record is read, and published once with 600 bytes; nothing else is done. It uses Apache Kafka, PostgreSQL
and one process, and prints records per second and microseconds of this process's processor time per record.
"""

import argparse
import asyncio
import statistics
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path

import psycopg
from confluent_kafka.admin import AdminClient, NewTopic

from deploy.kafka.run import KafkaNode
from deploy.postgres.runtime_tables import add_outbox_floor, create_v1
from services.runtime.consumer.batch_consumer import BatchConsumer
from services.runtime.consumer.consumer_options import BatchLimits, ConsumedTopics, RecordHandling
from services.runtime.http.health import Health
from services.runtime.kafka.producer import Producer
from services.runtime.kafka.record import Outgoing, Record
from services.runtime.outbox.transaction import Rejection, Transaction
from services.runtime.process.clock import SystemClock
from services.runtime.process.consumer_metrics import ConsumerMetrics
from services.runtime.process.log import configure
from services.runtime.process.settings import DatabaseSettings, KafkaSettings, LogSettings
from tests.support.postgres import fresh_database, postgres_server

PARTITIONS = 24
VALUE = b"x" * 600


def rejected(_rejection: Rejection) -> Outgoing:
    """Never called here."""
    raise AssertionError


async def measure(bootstrap: str, url: str, name: str, records: int, batch: int) -> tuple[float, float]:
    """Return records per second, and microseconds of processor time per record."""
    with psycopg.connect(url) as conn:
        conn.execute("DROP SCHEMA IF EXISTS bench CASCADE")
        conn.execute("CREATE SCHEMA bench")
        conn.execute(create_v1("bench"))
        conn.execute(add_outbox_floor("bench"))
    admin = AdminClient({"bootstrap.servers": bootstrap, "log_level": 0})
    for created in admin.create_topics([NewTopic(f"{name}-{kind}", PARTITIONS, 1) for kind in "io"]).values():
        created.result(timeout=15)
    kafka = KafkaSettings(bootstrap_servers=bootstrap)
    producer = Producer(kafka)
    await producer.start()
    await producer.send_all(
        [Outgoing(f"{name}-i", b"k%d" % (n % 200), VALUE, n % PARTITIONS) for n in range(records)],
        deadline_s=60,
    )
    await producer.stop()
    seen = 0
    begun, done = asyncio.Event(), asyncio.Event()
    times: list[tuple[float, float]] = []

    async def handle(tx: Transaction, batch: Sequence[Record]) -> None:
        nonlocal seen
        if not begun.is_set():
            begun.set()
            times.append((time.perf_counter(), time.process_time()))
        for record in batch:
            tx.publish(Outgoing(f"{name}-o", record.key or b"", record.value or b"", record.partition))
        seen += len(batch)
        if seen >= records:
            done.set()

    metrics = ConsumerMetrics("bench")
    consumer = BatchConsumer(
        "bench",
        ConsumedTopics([f"{name}-i"], group=name),
        RecordHandling(handle, rejected),
        BatchLimits(max_records=batch),
        kafka=kafka,
        database=DatabaseSettings.model_validate({"url": url}),
        metrics=metrics,
        health=Health(SystemClock(), metrics),
        clock=SystemClock(),
    )
    running = asyncio.create_task(consumer.run())
    await done.wait()
    published = 0.0
    while published < records:
        await asyncio.sleep(0.001)
        found = metrics.registry.get_sample_value("rapport_records_published_total", {"topic": f"{name}-o"})
        published = found or 0.0
    wall, cpu = time.perf_counter() - times[0][0], time.process_time() - times[0][1]
    await consumer.stop()
    await running
    return records / wall, cpu / records * 1e6


def main() -> None:
    """Measure each batch size several times, and print medians and raw runs."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--records", type=int, default=40_000)
    parser.add_argument("--batch", type=int, nargs="+", default=[512, 1024, 2048])
    parser.add_argument("--runs", type=int, default=3)
    given = parser.parse_args()
    configure(LogSettings(level="ERROR"), "bench")
    with (
        tempfile.TemporaryDirectory() as folder,
        postgres_server(durable=True) as server,
        fresh_database(server) as url,
    ):
        node = KafkaNode(Path(folder))
        node.start()
        try:
            for batch in given.batch:
                runs = [
                    asyncio.run(measure(node.bootstrap, url, f"b{batch}-{n}", given.records, batch))
                    for n in range(given.runs)
                ]
                rate, cost = (statistics.median(column) for column in zip(*runs, strict=True))
                raw = ", ".join(f"{r:,.0f}/s {c:.1f} us" for r, c in runs)
                print(f"batches of {batch}: {rate:,.0f} records/s, {cost:.1f} us of CPU each   ({raw})")
        finally:
            node.stop()


if __name__ == "__main__":
    main()
