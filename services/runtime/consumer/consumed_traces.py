"""Traces a transaction of records: a span for each request behind them, passed on with what they lead to."""

from collections import defaultdict
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field

from msgspec.structs import replace

from services.runtime.kafka.record import Outgoing, Record
from services.runtime.process.tracer import HEADER, Attributes, Span, current_tracer


@dataclass(frozen=True, slots=True)
class ConsumedTraces:
    """The spans of a transaction, by the keys of the records that they are about."""

    by_key: dict[bytes | None, Span] = field(default_factory=dict)

    def pass_on(self, outgoing: list[Outgoing]) -> None:
        """Let each record that is about to be stored for publishing name the span of its key."""
        if not self.by_key:
            return
        for number, out in enumerate(outgoing):
            if span := self.by_key.get(out.key):
                outgoing[number] = replace(out, headers=(*out.headers, (HEADER, span.header)))


@contextmanager
def traced(service: str, records: Sequence[Record]) -> Iterator[ConsumedTraces]:
    """Trace the work on these records; a span of work that raises is marked as failed."""
    tracer = current_tracer()
    if tracer is None:
        yield ConsumedTraces()
        return
    caused: defaultdict[bytes, list[Record]] = defaultdict(list)
    for record in records:
        for name, value in record.headers:
            if name == HEADER:
                caused[value].append(record)
    traces, spans = ConsumedTraces(), []
    for parent, its in caused.items():
        first = its[0]
        about: Attributes = {
            "messaging.system": "kafka",
            "messaging.destination.name": first.topic,
            "messaging.destination.partition.id": str(first.partition),
            "messaging.kafka.offset": first.offset,
            "messaging.batch.message_count": len(its),
        }
        span = tracer.begin(f"{service} {first.topic}", about, parent=parent)
        spans.append(span)
        traces.by_key.update(dict.fromkeys((record.key for record in its), span))
    failed = True
    try:
        yield traces
        failed = False
    finally:
        for span in spans:
            span.end(failed=failed)
