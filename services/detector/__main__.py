"""Runs the detector (`python -m services.detector`) with settings from the environment until SIGTERM."""

import gc
import os
import sys

from schemas.instruments.settings import InstrumentSettings
from services.detector.app import build, load_tools, unavailable_apps
from services.detector.settings import DetectorSettings
from services.runtime.http.server import serve
from services.runtime.process.allocator import give_memory_back
from services.runtime.process.clock import SystemClock
from services.runtime.process.entrypoint import run_service
from services.runtime.process.errors import Halt
from services.runtime.process.kill_points import checkpoint_from
from services.runtime.process.log import get_logger
from services.runtime.process.metrics import Metrics
from services.runtime.process.settings import (
    CredentialSettings,
    DatabaseSettings,
    ErasureSettings,
    HttpSettings,
    KafkaSettings,
)


async def run() -> None:
    """Serve until stopped.

    Raises:
        Halt: the settings cannot work.
    """
    give_memory_back()
    settings = DetectorSettings()
    clock = SystemClock()
    try:
        tools = load_tools(settings, InstrumentSettings(), ErasureSettings().secret())
    except Halt as halt:
        # Without a model nothing is scored. Readiness reports the reason until an operator has acted.
        get_logger().critical("halted", why=str(halt))
        metrics = Metrics("detector")
        app, management = unavailable_apps(str(halt), clock, metrics)
        await serve(app, HttpSettings(), metrics, management=management)
        return
    service = build(
        detector=settings,
        kafka=KafkaSettings(),
        database=DatabaseSettings(),
        credentials_file=CredentialSettings().credentials_file,
        clock=clock,
        tools=tools,
        checkpoint=checkpoint_from(os.environ),
    )
    # Objects made so far live as long as the process, so the garbage collector need not visit them. A batch
    # leaves no cycles behind, so frequent collections would find nothing.
    gc.collect()
    gc.freeze()
    gc.set_threshold(50_000, 20, 100)
    await serve(
        service.app,
        HttpSettings(),
        service.runtime_metrics,
        management=service.management,
        beside=service.background,
    )


if __name__ == "__main__":
    sys.exit(run_service("detector", run))
