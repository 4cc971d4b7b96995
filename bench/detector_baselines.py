"""Runs the baselines of the detector benchmark: one without the model, one without the database.

python -m bench.detector_baselines "without the model" | "without the database"
"""

import asyncio
import json
import os
import sys
import time
from collections.abc import Mapping, Sequence

import uvloop
from aiokafka import AIOKafkaConsumer, ConsumerRecord, TopicPartition

from schemas import topics
from schemas.components import Component
from schemas.envelope import HEADERS
from schemas.instruments.catalogue import Catalogue
from schemas.instruments.settings import InstrumentSettings
from services.detector import contracts, received
from services.detector.app import build, load_tools
from services.detector.domain.assessment import Assessment, ComponentFinding
from services.detector.domain.detector import DyadAssessments, DyadForms, HeartbeatHistory
from services.detector.domain.form import form_of
from services.detector.domain.message_precision import MeasuredPrecision
from services.detector.domain.practice import Models, PracticeRows
from services.detector.settings import DetectorSettings
from services.detector.stream.batch import Tools
from services.runtime.http.server import serve
from services.runtime.kafka.producer import Producer
from services.runtime.kafka.record import Outgoing
from services.runtime.process.clock import SystemClock
from services.runtime.process.consumer_metrics import ConsumerMetrics
from services.runtime.process.log import configure
from services.runtime.process.settings import (
    CredentialSettings,
    DatabaseSettings,
    HttpSettings,
    KafkaSettings,
    LogSettings,
)

QUIET_S = 3.0
"""After this long without a record, all records are read."""


class ConstantDetector:
    """Gives every form the same assessment, unflagged, and a snapshot of the usual size."""

    version = "same"
    threshold = 0.5
    reference = None
    uses_statistics = False

    def __init__(self, snapshot: bytes) -> None:
        self.message_precision: Mapping[str, MeasuredPrecision] = {}
        self._snapshot = snapshot
        parts = dict.fromkeys(
            (Component.BOND, Component.GOAL, Component.TASK), ComponentFinding(0.0, 0.8, 0.8)
        )
        self._found = Assessment(0.1, parts, None, None, 1, 0.8)

    def reads(self, snapshot: bytes) -> bool:
        """Whether these bytes are its one snapshot."""
        return snapshot == self._snapshot

    def assess(self, dyads: Sequence[DyadForms]) -> list[DyadAssessments]:
        """Return the same assessment for every form."""
        return [
            DyadAssessments(self._snapshot, [self._found] * (len(dyad.forms) - dyad.already_assessed))
            for dyad in dyads
        ]


async def without_the_model() -> None:
    """Run the service with `ConstantDetector` instead of the model."""
    trained = load_tools(DetectorSettings(), InstrumentSettings())
    heartbeat = DyadForms(None, trained.heartbeat.forms)
    snapshot = trained.models.default.assess([heartbeat])[0].snapshot
    tools = Tools(
        Models(ConstantDetector(snapshot)), PracticeRows(), Catalogue.load(), HeartbeatHistory((), 0.1)
    )
    service = build(
        detector=DetectorSettings(),
        kafka=KafkaSettings(),
        database=DatabaseSettings(),
        credentials_file=CredentialSettings().credentials_file,
        clock=SystemClock(),
        tools=tools,
    )
    await serve(service.app, HttpSettings(), service.runtime_metrics, beside=service.background)


class InMemoryPipeline:
    """Decodes, folds, scores and publishes with histories in memory; nothing is stored."""

    def __init__(self) -> None:
        self._tools = load_tools(DetectorSettings(), InstrumentSettings())
        self._snapshots: dict[bytes, bytes] = {}
        self._producer = Producer(KafkaSettings(), ConsumerMetrics("bench", topics=[topics.ASSESSED.name]))

    async def run(self) -> None:
        """Process all records and print how long it took."""
        kafka = KafkaSettings()
        consumer = AIOKafkaConsumer(
            topics.SESSION_RATED.name,
            bootstrap_servers=kafka.bootstrap_servers,
            group_id=os.environ["DETECTOR_GROUP"],
            auto_offset_reset="earliest",
            enable_auto_commit=False,
        )
        await consumer.start()
        await self._producer.start()
        began = ended = 0.0
        cpu = cpu_ended = 0.0
        try:
            while True:
                batch = await consumer.getmany(timeout_ms=20, max_records=DetectorSettings().max_records)
                if not batch:
                    if ended and time.perf_counter() - ended > QUIET_S:
                        break
                    continue
                if not began:
                    began, cpu = time.perf_counter(), time.process_time()
                records = [record for several in batch.values() for record in several]
                await self._process(records)
                await consumer.commit(
                    {
                        TopicPartition(tp.topic, tp.partition): several[-1].offset + 1
                        for tp, several in batch.items()
                    }
                )
                ended, cpu_ended = time.perf_counter(), time.process_time()
        finally:
            await consumer.stop()
            await self._producer.stop()
        report = {"event": "done", "seconds": ended - began, "cpu_seconds": cpu_ended - cpu}
        print(json.dumps(report), flush=True)

    async def _process(self, records: list[ConsumerRecord]) -> None:
        rated = []
        for record in records:
            event = received.arriving.decode(record.value)
            if isinstance(event, received.RatedEvent):
                rated.append((record, event.data))
        by_dyad: dict[bytes, list[tuple[ConsumerRecord, received.Rated]]] = {}
        for record, rating in rated:
            by_dyad.setdefault(record.key, []).append((record, rating))
        work = [
            DyadForms(
                self._snapshots.get(key),
                [form_of(rating, self._tools.catalogue.get(rating.instrument)) for _, rating in several],
            )
            for key, several in by_dyad.items()
        ]
        results = await asyncio.to_thread(self._tools.models.default.assess, work)
        outgoing = []
        for (key, several), result in zip(by_dyad.items(), results, strict=True):
            self._snapshots[key] = result.snapshot
            for (record, rating), found in zip(several, result.assessments, strict=True):
                data = contracts.encode({"rating_id": rating.rating_id, "risk": found.risk})
                value = contracts.envelope(
                    topics.ASSESSED.name, rating.rating_id, rating.accepted_at, key, data
                )
                place = record.partition
                outgoing.append(Outgoing(topics.ASSESSED.name, key, value, place, HEADERS))
        await self._producer.send_all(outgoing)


def main() -> None:
    """Run the baseline named on the command line."""
    configure(LogSettings(), "bench")
    uvloop.run(without_the_model() if sys.argv[1] == "without the model" else InMemoryPipeline().run())


if __name__ == "__main__":
    main()
