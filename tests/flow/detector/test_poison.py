"""A record that cannot be processed is set aside alone, whatever it is, and its partition goes on."""

import asyncio
from pathlib import Path

import psycopg
import pytest

from schemas import topics
from schemas.instruments.settings import InstrumentSettings
from services.detector.app import build, load_tools
from services.detector.settings import DetectorSettings
from services.runtime.process.clock import SystemClock
from services.runtime.process.settings import DatabaseSettings, KafkaSettings
from tests.support.detector.batch_driver import NOW, body, record_of
from tests.support.embedded_kafka import embedded_kafka
from tests.support.poison import poisons, rejections, send_mixed
from tests.support.runtime.sample_service import until

GOOD = "SELECT count(*) FROM detector.rating JOIN detector.assessment USING (practice_id, rating_id)"


async def test_poison_of_every_kind_between_good_ratings_stops_nothing(
    database_url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("RAPPORT_FUSE_OF_LAST_1000", "1001")
    rated = record_of(body(0, [4] * 9, case_id="x", recorded_at=NOW, next_session_at=NOW), 0)
    bad = list(poisons(rated.key or b"", rated.value or b"", other_type=topics.ASSESSED.name))
    good = [record_of(body(0, [4] * 9, client_id=f"c{number}"), 0) for number in range(len(bad))]
    with embedded_kafka() as bootstrap, psycopg.connect(database_url, autocommit=True) as conn:
        service = build(
            detector=DetectorSettings(),
            kafka=KafkaSettings(bootstrap_servers=bootstrap, embedded=True),
            database=DatabaseSettings.model_validate({"url": database_url}),
            credentials_file=tmp_path / "credentials.json",
            clock=SystemClock(),
            tools=load_tools(DetectorSettings(), InstrumentSettings()),
        )
        running = asyncio.create_task(service.consumer.run())
        await send_mixed(bootstrap, topics.SESSION_RATED.name, bad, [(one.key, one.value) for one in good])
        try:
            await until(lambda: conn.execute(GOOD).fetchone() == (len(good),), "every good rating", 60)
        finally:
            await service.consumer.stop()
            await running
        rejected = rejections(conn, "detector")
    assert [(2 * number, "undecodable", one.value) for number, one in enumerate(bad)] == rejected
