"""Lets this process send its traces, if the settings want it."""

from collections.abc import Iterator
from contextlib import contextmanager

from services.runtime.process.errors import Halt
from services.runtime.process.settings import TraceSettings
from services.runtime.process.tracer import set_tracer


@contextmanager
def traces_sent(settings: TraceSettings, service: str) -> Iterator[None]:
    """Trace what this process does in the block; without an address, do nothing and load nothing.

    Raises:
        Halt: there is an address, and no OpenTelemetry.
    """
    if not settings.url:
        yield
        return
    try:
        from services.runtime.process.otlp_tracer import OtlpTracer
    except ImportError:
        raise Halt("TRACES_URL is set: install `rapport[tracing]`, or remove it") from None
    tracer = OtlpTracer(settings.url, service, settings.sample_ratio)
    set_tracer(tracer)
    try:
        yield
    finally:
        set_tracer(None)
        tracer.stop()
