"""The detector process: `python -m services.detector`, settings from the environment, until SIGTERM."""

import gc
import os
import sys

import uvloop
from pydantic import ValidationError

from services.detector.app import build, closed, load_tools
from services.detector.settings import DetectorSettings
from services.runtime.checkpoint import checkpoint_from
from services.runtime.clock import SystemClock
from services.runtime.errors import Halt
from services.runtime.log import configure, get_logger
from services.runtime.serve import serve
from services.runtime.settings import (
    CredentialSettings,
    DatabaseSettings,
    HttpSettings,
    KafkaSettings,
    LogSettings,
)


async def run() -> None:
    """Serve until stopped.

    Raises:
        Halt: the settings cannot work.
    """
    settings = DetectorSettings()
    clock = SystemClock()
    try:
        tools = load_tools(settings)
    except Halt as halt:
        # No model, no score; the reason stands in readiness until a person has acted.
        get_logger().critical("halted", why=str(halt))
        await serve(closed(str(halt), clock), HttpSettings())
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
    # What is here now stays: the collector need not walk over it with every batch. What a batch makes goes
    # by itself when it is done, so looking for circles after every 700 objects finds nothing.
    gc.collect()
    gc.freeze()
    gc.set_threshold(50_000, 20, 100)
    await serve(service.app, HttpSettings(), beside=service.beside)


def main() -> int:
    """Run; exit code 1 when a person must act first, which the log says."""
    configure(LogSettings(), "detector")
    try:
        uvloop.run(run())
    except ValidationError as error:
        # Names and kinds only: a setting's value may be a secret that stands in the wrong place.
        wrong = [f"{each['loc'][0]}: {each['type']}" for each in error.errors(include_input=False)]
        get_logger().error("settings-invalid", settings=error.title, wrong=wrong)
        return 1
    except Halt as halt:
        get_logger().error("halted", why=str(halt))
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
