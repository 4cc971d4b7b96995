"""Runs a service's coroutine as a process: configures the log first and returns an exit code."""

from collections.abc import Callable, Coroutine

import uvloop
from pydantic import ValidationError
from pydantic_core import ErrorDetails

from services.runtime.process.errors import Halt
from services.runtime.process.log import configure, get_logger
from services.runtime.process.settings import LogSettings


def run_service(name: str, run: Callable[[], Coroutine[object, object, None]]) -> int:
    """Run until stopped; return 0 after SIGTERM, 1 when an operator must act (the log says how)."""
    configure(LogSettings(), name)
    try:
        uvloop.run(run())
    except ValidationError as error:
        get_logger().error("settings-invalid", settings=error.title, wrong=wrong_settings(error))
        return 1
    except Halt as halt:
        get_logger().critical("halted", why=str(halt))
        return 1
    return 0


def wrong_settings(error: ValidationError) -> list[str]:
    """Return names, kinds of errors and limits, no value: it may be a secret in the wrong setting."""
    return [
        " ".join([f"{item['loc'][0]}: {item['type']}", *_limits(item)])
        for item in error.errors(include_input=False)
    ]


def _limits(error: ErrorDetails) -> list[str]:
    return [f"{value:g}" for name, value in error.get("ctx", {}).items() if name in {"gt", "ge", "lt", "le"}]
