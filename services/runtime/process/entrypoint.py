"""Runs a service's coroutine as a process: configures the log first and returns an exit code."""

import os
from collections.abc import Callable, Coroutine

import uvloop
from pydantic import ValidationError
from pydantic_settings import SettingsError

from services.runtime.process.errors import Halt
from services.runtime.process.log import configure, get_logger
from services.runtime.process.settings import LogSettings, TraceSettings
from services.runtime.process.traces_sent import traces_sent
from services.runtime.process.wrong_settings import unknown_settings, wrong_settings


def run_service(name: str, run: Callable[[], Coroutine[object, object, None]]) -> int:
    """Run until stopped; return 0 after SIGTERM, 1 when an operator must act (the log says how)."""
    try:
        configure(LogSettings(), name)
    except ValidationError as error:
        configure(LogSettings.model_construct(), name)
        return _say_wrong(error)
    for unknown, nearest in unknown_settings(os.environ):
        get_logger().warning("setting-unknown", variable=unknown, resembles=nearest)
    try:
        with traces_sent(TraceSettings(), name):
            uvloop.run(run())
    except (ValidationError, SettingsError) as error:
        return _say_wrong(error)
    except Halt as halt:
        get_logger().critical("halted", why=str(halt))
        return 1
    return 0


def _say_wrong(error: ValidationError | SettingsError) -> int:
    get_logger().error("settings-invalid", wrong=wrong_settings(error))
    return 1
