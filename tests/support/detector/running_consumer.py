"""Runs the consumer of a detector in this process, on an embedded Kafka."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

from schemas.instruments.settings import InstrumentSettings
from services.detector.app import build, load_tools
from services.detector.settings import DetectorSettings
from services.runtime.process.clock import SystemClock
from services.runtime.process.settings import DatabaseSettings, KafkaSettings


@asynccontextmanager
async def running_consumer(bootstrap: str, database_url: str, folder: Path) -> AsyncIterator[None]:
    """Let a detector read from this Kafka for the duration of the block."""
    service = build(
        detector=DetectorSettings(),
        kafka=KafkaSettings(bootstrap_servers=bootstrap, embedded=True),
        database=DatabaseSettings.model_validate({"url": database_url}),
        credentials_file=folder / "credentials.json",
        clock=SystemClock(),
        tools=load_tools(DetectorSettings(), InstrumentSettings()),
    )
    running = asyncio.create_task(service.consumer.run())
    try:
        yield
    finally:
        await service.consumer.stop()
        await running
