"""A record that cannot be processed is set aside alone, whatever it is, and its partition goes on."""

import asyncio

import psycopg
import pytest

from schemas.rejected import rejected_events
from schemas.topics import EPISODE_CHANGED, SESSION_RATED
from services.runtime.consumer.batch_consumer import BatchConsumer
from services.runtime.consumer.consumer_options import ConsumedTopics, RecordHandling
from services.runtime.http.health import Health
from services.runtime.kafka.record import Outgoing
from services.runtime.process.clock import SystemClock
from services.runtime.process.consumer_metrics import ConsumerMetrics
from services.runtime.process.settings import DatabaseSettings, KafkaSettings
from tests.support.detector.episodes import changed, record_of
from tests.support.embedded_kafka import embedded_kafka
from tests.support.notifier.batch_driver import NotifierDriver
from tests.support.poison import poisons, rejections, send_mixed
from tests.support.runtime.running_sample import until


async def test_poison_of_every_kind_between_good_changes_stops_nothing(
    notifier: NotifierDriver, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("RAPPORT_FUSE_OF_LAST_1000", "1001")
    model = record_of(changed(episode="model"), 0)
    bad = list(poisons(model.key or b"", model.value or b"", other_type=SESSION_RATED.name))
    good = [record_of(changed(episode=f"e{number}", client=f"c{number}"), 0) for number in range(len(bad))]
    with embedded_kafka() as bootstrap, psycopg.connect(notifier.url, autocommit=True) as conn:
        clock, metrics = SystemClock(), ConsumerMetrics("notifier", reject_reasons=("unexpected-event",))
        consumer = BatchConsumer(
            "notifier",
            ConsumedTopics([EPISODE_CHANGED.name], group="rapport-notifier"),
            RecordHandling(notifier.components.pipeline, rejected_events("notifier", Outgoing)),
            kafka=KafkaSettings(bootstrap_servers=bootstrap, embedded=True),
            database=DatabaseSettings.model_validate({"url": notifier.url}),
            metrics=metrics,
            health=Health(clock, metrics),
            clock=clock,
        )
        running = asyncio.create_task(consumer.run())
        await send_mixed(bootstrap, EPISODE_CHANGED.name, bad, [(one.key, one.value) for one in good])
        items = "SELECT count(*) FROM notifier.item"
        try:
            await until(lambda: conn.execute(items).fetchone() == (len(good),), "every item", 60)
        finally:
            await consumer.stop()
            await running
        rejected = rejections(conn, "notifier")
    assert [(2 * number, one.value) for number, one in enumerate(bad)] == [(o, v) for o, _, v in rejected]
    assert {reason for _, reason, _ in rejected} == {"undecodable"}
