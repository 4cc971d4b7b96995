"""A service's coroutine in, its process out: log configured first, an exit code that says how it ended."""

from collections.abc import Callable, Coroutine

import uvloop
from pydantic import ValidationError

from services.runtime.process.errors import Halt
from services.runtime.process.log import configure, get_logger
from services.runtime.process.settings import LogSettings


def run_service(name: str, run: Callable[[], Coroutine[object, object, None]]) -> int:
    """Run until stopped: 0 after SIGTERM; 1 when a person must act first, which the log says."""
    configure(LogSettings(), name)
    try:
        uvloop.run(run())
    except ValidationError as error:
        # Names and kinds only: a setting's value may be a secret that stands in the wrong place.
        wrong = [f"{each['loc'][0]}: {each['type']}" for each in error.errors(include_input=False)]
        get_logger().error("settings-invalid", settings=error.title, wrong=wrong)
        return 1
    except Halt as halt:
        get_logger().critical("halted", why=str(halt))
        return 1
    return 0
