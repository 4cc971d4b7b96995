"""A small service on the runtime: each number that it reads is stored once and published once.

A record's value is a number in ASCII. `bad` cannot be decoded, `poison` makes the handler fail, `refused` is
rejected by the domain (`refused-in-sandbox` is one of a sandbox), `forgotten` is passed over, `slow` takes
longer than any deadline, and `claimed` collides at every attempt.
"""

import asyncio
import uuid
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

import psycopg
from aiokafka import AIOKafkaConsumer, TopicPartition
from confluent_kafka.admin import AdminClient, NewTopic

from deploy.postgres.runtime_tables import (
    add_halts,
    add_outbox_floor,
    add_published,
    add_replays,
    add_set_aside,
    add_unaccounted,
    create_v1,
)
from services.runtime.consumer.batch_consumer import BatchConsumer
from services.runtime.consumer.consumer_options import BatchLimits, ConsumedTopics, RecordHandling
from services.runtime.consumer.order_of_effects import OwnerOf, no_owner
from services.runtime.consumer.published_check import NOTHING_PUBLISHED, PublishedTopics
from services.runtime.consumer.self_check import KnownWork, threads_answer
from services.runtime.http.health import Health
from services.runtime.kafka.producer import Producer
from services.runtime.kafka.record import Outgoing, Record
from services.runtime.outbox.transaction import Rejection, Transaction
from services.runtime.process.clock import Clock, SystemClock
from services.runtime.process.consumer_metrics import ConsumerMetrics
from services.runtime.process.errors import Collision, Reject
from services.runtime.process.kill_points import Checkpoint, no_checkpoint
from services.runtime.process.settings import DatabaseSettings, FuseSettings, KafkaSettings
from tests.support.runtime.running_sample import Running

SCHEMA = "sample"
_TENANTS = {b"refused": "t1", b"refused-in-sandbox": "t1.sandbox"}
"""Whose record is rejected by the domain, by its value."""

TABLES = """
CREATE TABLE sample.effect (
    value text NOT NULL, topic text NOT NULL, partition integer NOT NULL, place bigint NOT NULL,
    PRIMARY KEY (topic, partition, place)
);
"""


@dataclass
class Sample:
    """The service with its topics and tables; `consumer()` makes a process of it."""

    bootstrap: str
    database_url: str
    name: str = field(default_factory=lambda: uuid.uuid4().hex[:8])
    handled: list[tuple[str, int, int]] = field(default_factory=list)
    batches: list[int] = field(default_factory=list)
    before_work: Callable[[], None] = lambda: None
    in_thread: Callable[[], object] = lambda: None
    embedded: bool = True
    seconds_a_record: float = 0.0
    """How long PostgreSQL works on each record."""
    idle_seconds_a_record: float = 0.0
    """How long the handler works on each record, in the middle of a transaction."""

    def __post_init__(self) -> None:
        self.topic, self.second, self.out, self.rejected = (
            f"{self.name}-{kind}" for kind in ("in", "second", "out", "rejected")
        )
        self.kafka = KafkaSettings(
            bootstrap_servers=self.bootstrap,
            embedded=self.embedded,
            # The embedded broker notices a lost member by this timeout; a real broker accepts at least 6 s.
            session_timeout_s=1.8 if self.embedded else 6,
        )
        self.database = DatabaseSettings.model_validate({"url": self.database_url})
        self.clock: Clock = SystemClock()

    def create_tables(self) -> None:
        """Create the tables, as a first migration would."""
        with psycopg.connect(self.database_url) as conn:
            conn.execute(f"CREATE SCHEMA {SCHEMA}")
            for tables in (
                *(create_v1, add_replays, add_halts, add_unaccounted, add_set_aside, add_published),
                add_outbox_floor,
            ):
                conn.execute(tables(SCHEMA))
            conn.execute(TABLES)

    def create_topics(self) -> None:
        """Create the topics, which a real broker does not do on first use."""
        admin = AdminClient({"bootstrap.servers": self.bootstrap, "log_level": 0})
        names = (self.topic, self.second, self.out, self.rejected)
        for created in admin.create_topics([NewTopic(name, 4, 1) for name in names]).values():
            created.result(timeout=15)

    async def handle(self, tx: Transaction, records: Sequence[Record]) -> None:
        """Handle records; running it again has no further effect."""
        self.before_work()
        self.batches.append(len(records))
        if self.seconds_a_record:
            await tx.conn.execute("SELECT pg_sleep(%s)", (self.seconds_a_record * len(records),))
        if self.idle_seconds_a_record:
            await asyncio.sleep(self.idle_seconds_a_record * len(records))
        await asyncio.to_thread(self.in_thread)
        for record in records:
            if record.value == b"bad":
                tx.reject(record, Reject("undecodable", "no number", counts_for_fuse=True))
                continue
            if record.value == b"forgotten":
                tx.passed_over.append(record)
                continue
            if record.value in _TENANTS:
                tenant = _TENANTS[record.value]
                tx.reject(record, Reject("refused", "not wanted"), tenant=tenant, subject_id="s1")
                continue
            if record.value == b"poison":
                raise ValueError("a message with something personal in it")
            if record.value == b"slow":
                await tx.conn.execute("SELECT pg_sleep(60)")
            if record.value == b"claimed":
                raise Collision("the id was claimed by another process")
            value = (record.value or b"").decode()
            self.handled.append((record.topic, record.partition, record.offset))
            await tx.conn.execute(
                "INSERT INTO sample.effect VALUES (%s, %s, %s, %s) ON CONFLICT DO NOTHING",
                (value, record.topic, record.partition, record.offset),
            )
            tx.publish(Outgoing(self.out, record.key or b"-", value.encode(), record.partition))

    def rejection_event(self, rejection: Rejection) -> Outgoing:
        """Return the event that announces a rejection."""
        position = f"{rejection.topic}/{rejection.partition}/{rejection.offset}/{rejection.reason}"
        return Outgoing(self.rejected, rejection.key or b"-", position.encode(), rejection.partition)

    def consumer(
        self,
        *,
        topics: Sequence[str] | None = None,
        checkpoint: Checkpoint = no_checkpoint,
        max_records: int = 50,
        fuse: FuseSettings | None = None,
        kafka: KafkaSettings | None = None,
        database: DatabaseSettings | None = None,
        abandoned_after_s: float = 60.0,
        co_partitioned: Sequence[str] = (),
        background: Sequence[str] = (),
        owner_of: OwnerOf = no_owner,
        parallel_transactions: int = 1,
        transaction_deadline_s: float = BatchLimits().transaction_deadline_s,
        published: PublishedTopics = NOTHING_PUBLISHED,
        self_check: KnownWork = threads_answer,
        serves_practices: bool = False,
    ) -> Running:
        """Return a process of the service that is not started yet."""
        metrics = ConsumerMetrics(SCHEMA, reject_reasons=("refused",))
        health = Health(self.clock, metrics)
        consumer = BatchConsumer(
            SCHEMA,
            ConsumedTopics(
                topics or [self.topic],
                group=f"{self.name}-group",
                co_partitioned=co_partitioned,
                background=background,
            ),
            RecordHandling(self.handle, self.rejection_event, owner_of, published, self_check),
            BatchLimits(
                max_records=max_records,
                parallel_transactions=parallel_transactions,
                parallel_from_records=2,
                transaction_deadline_s=transaction_deadline_s,
                abandoned_after_s=abandoned_after_s,
                fuse=fuse or FuseSettings(),
            ),
            kafka=kafka or self.kafka,
            database=database or self.database,
            metrics=metrics,
            health=health,
            clock=self.clock,
            checkpoint=checkpoint,
            serves_practices=serves_practices,
        )
        return Running(consumer, metrics, health)

    async def send(self, values: Sequence[object], *, partition: int | None = 0, topic: str = "") -> None:
        """Write one record for each value; `partition=None` spreads them over the partitions in turn."""
        producer = Producer(self.kafka)
        await producer.start()
        try:
            await producer.send_all(
                [
                    Outgoing(
                        topic or self.topic,
                        f"k{number}".encode(),
                        str(value).encode(),
                        number % 4 if partition is None else partition,
                    )
                    for number, value in enumerate(values)
                ]
            )
        finally:
            await producer.stop()

    def query(self, sql: str) -> list[tuple[object, ...]]:
        """Return committed rows of the service's tables."""
        with psycopg.connect(self.database_url) as conn:
            return conn.execute(sql.encode()).fetchall()

    def effects(self) -> list[str]:
        """Return the values that took effect, in the order of the log."""
        return [
            str(row[0]) for row in self.query("SELECT value FROM sample.effect ORDER BY partition, place")
        ]

    async def published(self, topic: str = "") -> list[str]:
        """Return the values in the derived topic, partition by partition."""
        consumer = AIOKafkaConsumer(
            bootstrap_servers=self.bootstrap, auto_offset_reset="earliest", fetch_max_wait_ms=10
        )
        tps = [TopicPartition(topic or self.out, number) for number in range(4)]
        consumer.assign(tps)
        await consumer.start()
        try:
            ends = await consumer.end_offsets(tps)
            found: dict[TopicPartition, list[str]] = {tp: [] for tp in tps}
            while any([await consumer.position(tp) < ends[tp] for tp in tps]):
                for tp, batch in (await consumer.getmany(timeout_ms=20)).items():
                    found[tp] += [record.value.decode() for record in batch]
            return [value for tp in tps for value in found[tp]]
        finally:
            await consumer.stop()
