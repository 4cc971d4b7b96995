"""The ingest process: `python -m services.ingest`, settings from the environment, until SIGTERM."""

import gc
import sys

import uvloop
from pydantic import ValidationError

from services.ingest.app import build
from services.ingest.settings import IngestSettings, KeySettings
from services.runtime.clock import SystemClock
from services.runtime.errors import Halt
from services.runtime.log import configure, get_logger
from services.runtime.serve import serve
from services.runtime.settings import CredentialSettings, HttpSettings, KafkaSettings, LogSettings


async def run() -> None:
    """Serve until stopped.

    Raises:
        Halt: the settings cannot work.
    """
    ingest = build(
        ingest=IngestSettings(),
        kafka=KafkaSettings(),
        credentials_file=CredentialSettings().credentials_file,
        key_secret=KeySettings().secret(),
        clock=SystemClock(),
    )
    # What is there now stays: left to the collector, every full collection stops all requests for 50 ms.
    gc.collect()
    gc.freeze()
    await serve(ingest.app, HttpSettings(), beside=ingest.beside)


def main() -> int:
    """Run; exit code 1 when a person must act first, which the log says."""
    configure(LogSettings(), "ingest")
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
