"""Runs a service's coroutine as a process: configures the log first and returns an exit code."""

from collections.abc import Callable, Coroutine

import uvloop
from pydantic import ValidationError

from services.runtime.process.errors import Halt
from services.runtime.process.log import configure, get_logger
from services.runtime.process.settings import LogSettings


def run_service(name: str, run: Callable[[], Coroutine[object, object, None]]) -> int:
    """Run until stopped; return 0 after SIGTERM, 1 when an operator must act (the log says how)."""
    configure(LogSettings(), name)
    try:
        uvloop.run(run())
    except ValidationError as error:
        # Names and kinds of errors only: a value may be a secret that was put into the wrong setting.
        wrong = [f"{item['loc'][0]}: {item['type']}" for item in error.errors(include_input=False)]
        get_logger().error("settings-invalid", settings=error.title, wrong=wrong)
        return 1
    except Halt as halt:
        get_logger().critical("halted", why=str(halt))
        return 1
    return 0
