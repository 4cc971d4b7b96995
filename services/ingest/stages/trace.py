"""Traces a request, or a group of a batch's lines; its records name the span in a header."""

from collections.abc import Iterator
from contextlib import contextmanager

from services.ingest.request_batch import RequestBatch
from services.runtime.process.tracer import HEADER, Attributes, current_tracer


@contextmanager
def traced(batch: RequestBatch) -> Iterator[None]:
    """Trace the stages of a batch; one that is refused as a whole is marked as failed."""
    tracer = current_tracer()
    if tracer is None:
        yield
        return
    about: Attributes = {"messaging.destination.name": batch.topic.name, "rapport.lines": len(batch.attempts)}
    span = tracer.begin("ingest ratings", about, is_request=True)
    batch.headers = (*batch.headers, (HEADER, span.header))
    failed = True
    try:
        yield
        failed = False
    finally:
        span.end(failed=failed)
