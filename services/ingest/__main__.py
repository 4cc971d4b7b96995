"""Runs ingest as a process: `python -m services.ingest`, configured by the environment, until SIGTERM."""

import gc
import sys

from schemas.instruments.definition import InvalidDefinition
from schemas.instruments.settings import InstrumentSettings
from services.ingest.app import build
from services.ingest.settings import IngestSettings, KeySettings
from services.runtime.http.server import serve
from services.runtime.process.clock import SystemClock
from services.runtime.process.entrypoint import run_service
from services.runtime.process.errors import Halt
from services.runtime.process.settings import CredentialSettings, HttpSettings, KafkaSettings


async def run() -> None:
    """Serve until stopped.

    Raises:
        Halt: a setting cannot be used.
    """
    try:
        instruments = InstrumentSettings().catalogue()
    except InvalidDefinition as bad:
        raise Halt(str(bad)) from None
    ingest = build(
        ingest=IngestSettings(),
        instruments=instruments,
        kafka=KafkaSettings(),
        credentials_file=CredentialSettings().credentials_file,
        key_secret=KeySettings().secret(),
        clock=SystemClock(),
    )
    # The objects made so far live as long as the process. Frozen, they are left out of garbage collections,
    # each of which would otherwise stop all requests for 50 ms.
    gc.collect()
    gc.freeze()
    await serve(
        ingest.app,
        HttpSettings(),
        ingest.metrics,
        management=ingest.management,
        bodies=ingest.bodies,
        beside=ingest.beside,
    )


if __name__ == "__main__":
    sys.exit(run_service("ingest", run))
