"""Configures logging: static event names with keyword fields, one JSON object per line on standard output.

An exception is logged as its types and stack frames. Its message is logged only for `Fault`, whose messages
contain no payloads; messages of libraries may quote the data that they failed on.
"""

import logging
import sys
from collections.abc import Mapping, MutableMapping
from pathlib import Path
from types import TracebackType
from typing import Any

import psycopg
import structlog

from services.runtime.process.errors import Fault
from services.runtime.process.settings import LogSettings

EventDict = MutableMapping[str, Any]
_ROOT = Path(__file__).resolve().parents[3]
_MAX_FRAMES = 20
LIBRARY = "library"
"""The event of every line that a library wrote; `logger` names the library, `template` the line."""


_NOT_TRUSTED = (
    "PostgreSQL's certificate has expired or is of another authority than that of DATABASE_SSL_CA_FILE"
)
_TLS_FAULTS = {
    "certificate verify failed": _NOT_TRUSTED,
    # An authority with the same name and another key has issued it.
    "provider signature failure": _NOT_TRUSTED,
    "does not match host name": "PostgreSQL's certificate is for another host name than that of DATABASE_URL",
    "server does not support SSL": "PostgreSQL offers no TLS, which DATABASE_SSLMODE asks for",
}
"""What libpq says of a connection that is not safe, and what that means for whoever runs this."""


def describe(error: BaseException) -> str:
    """Return what logs and readiness may show of an exception: its type, a Fault's message, an SQL state."""
    name = type(error).__name__
    if isinstance(error, Fault):
        return f"{name}: {error}"
    if isinstance(error, psycopg.Error) and error.sqlstate:
        return f"{name} (SQL state {error.sqlstate})"
    if isinstance(error, psycopg.OperationalError):
        # The text itself names host, user and database.
        text = str(error)
        why = next((sentence for part, sentence in _TLS_FAULTS.items() if part in text), None)
        return name if why is None else f"{name}: {why}"
    return name


def traceback_without_values(error: BaseException) -> list[dict[str, Any]]:
    """Return the chain of exceptions, its root cause last, each with its description and stack frames."""
    chain: list[dict[str, Any]] = []
    seen: set[int] = set()
    current: BaseException | None = error
    while current is not None and id(current) not in seen:
        seen.add(id(current))
        chain.append({"error": describe(current), "at": _frames(current.__traceback__)})
        current = current.__cause__ or (None if current.__suppress_context__ else current.__context__)
    return chain


def _frames(traceback: TracebackType | None) -> list[str]:
    frames = []
    while traceback is not None:
        code = traceback.tb_frame.f_code
        path = Path(code.co_filename)
        if "site-packages" in path.parts:
            shown = Path(*path.parts[path.parts.index("site-packages") + 1 :])
        else:
            shown = path.relative_to(_ROOT) if path.is_relative_to(_ROOT) else Path(path.name)
        frames.append(f"{shown}:{traceback.tb_lineno} {code.co_name}")
        traceback = traceback.tb_next
    return frames[-_MAX_FRAMES:]


def _exception(_logger: object, _method: str, event: EventDict) -> EventDict:
    exc_info = event.pop("exc_info", None)
    if exc_info is True:
        exc_info = sys.exc_info()
    error = exc_info[1] if isinstance(exc_info, tuple) else exc_info
    if isinstance(error, BaseException):
        event["exception"] = traceback_without_values(error)
    return event


def _static_event_of_library(_logger: object, _method: str, event: EventDict) -> EventDict:
    """Give a library's line an event that can be searched for, and its text without values as a field."""
    # Below its first line, asyncio writes the repr of a failed task with the exception's message.
    event["message"] = str(event.get("event", "")).split("\n", 1)[0]
    event["template"] = str(event["_record"].msg).split("\n", 1)[0]
    event["event"] = LIBRARY
    event.pop("stack_info", None)
    return event


class _OnceAMinute(logging.Filter):
    """Passes each message of the Kafka client, and of the one that sends traces, once a minute.

    While a broker is away the client logs ten attempts a second. What matters of them is in this program's
    own log lines, in readiness and in the metrics.
    """

    def __init__(self) -> None:
        super().__init__()
        self._passed: dict[str, float] = {}

    def filter(self, record: logging.LogRecord) -> bool:
        if not record.name.startswith(("aiokafka", "opentelemetry")):
            return True
        last = self._passed.get(str(record.msg))
        if last is not None and record.created - last < 60:
            return False
        self._passed[str(record.msg)] = record.created
        return True


def configure(settings: LogSettings, service: str) -> None:
    """Send the log lines of structlog and of the standard library to standard output in one format."""

    def add_service(_logger: object, _method: str, event: EventDict) -> EventDict:
        event["service"] = service
        return event

    shared: list[structlog.typing.Processor] = [
        structlog.contextvars.merge_contextvars,
        structlog.stdlib.add_log_level,
        structlog.processors.TimeStamper(fmt="iso", utc=True),
        add_service,
        _exception,
    ]
    render: structlog.typing.Processor = (
        structlog.processors.JSONRenderer(sort_keys=True, default=_without_values)
        if settings.format == "json"
        else structlog.dev.ConsoleRenderer(colors=sys.stdout.isatty())
    )
    structlog.configure(
        processors=[
            structlog.stdlib.filter_by_level,
            *shared,
            structlog.stdlib.ProcessorFormatter.wrap_for_formatter,
        ],
        logger_factory=structlog.stdlib.LoggerFactory(),
        wrapper_class=structlog.stdlib.BoundLogger,
        cache_logger_on_first_use=False,
    )
    handler = logging.StreamHandler(sys.stdout)
    handler.setFormatter(
        structlog.stdlib.ProcessorFormatter(
            foreign_pre_chain=[
                structlog.stdlib.add_logger_name,
                structlog.stdlib.ExtraAdder(allow=()),
                *shared,
                _static_event_of_library,
            ],
            processors=[structlog.stdlib.ProcessorFormatter.remove_processors_meta, render],
        )
    )
    handler.addFilter(_OnceAMinute())
    root = logging.getLogger()
    root.handlers[:] = [handler]
    root.setLevel(settings.level)
    for noisy in ("aiokafka", "faststream", "uvicorn", "httpx", "httpcore", "asyncio", "alembic"):
        logging.getLogger(noisy).setLevel(max(logging.WARNING, root.level))


def _without_values(value: object) -> str:
    # A value without a JSON form is shown by its type: its repr could contain a payload.
    return str(value) if isinstance(value, (Path, Mapping)) else f"<{type(value).__name__}>"


def get_logger() -> structlog.stdlib.BoundLogger:
    """Return a logger: `log.info("static-event-name", field=value)`; fields hold ids, never payloads."""
    logger: structlog.stdlib.BoundLogger = structlog.get_logger()
    return logger
