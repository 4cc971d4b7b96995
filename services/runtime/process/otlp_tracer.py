"""Sends spans by OpenTelemetry, over HTTP; imported only when traces are wanted."""

from opentelemetry.context import Context
from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import BatchSpanProcessor
from opentelemetry.sdk.trace.sampling import ParentBased, TraceIdRatioBased
from opentelemetry.trace import Span, SpanKind, Status, StatusCode, set_span_in_context
from opentelemetry.trace.propagation.tracecontext import TraceContextTextMapPropagator

from services.runtime.process.metrics import version
from services.runtime.process.tracer import HEADER, Attributes

_W3C = TraceContextTextMapPropagator()


class OtlpSpan:
    """One span of OpenTelemetry."""

    def __init__(self, span: Span) -> None:
        self._span = span

    @property
    def header(self) -> bytes:
        """The value of the header that names this span."""
        carrier: dict[str, str] = {}
        _W3C.inject(carrier, set_span_in_context(self._span, Context()))
        return carrier[HEADER].encode()

    def end(self, *, failed: bool = False) -> None:
        """Note that the work ended now."""
        if failed:
            self._span.set_status(Status(StatusCode.ERROR))
        self._span.end()


class OtlpTracer:
    """Collects spans and sends them every few seconds, from a thread of its own."""

    def __init__(self, url: str, service: str, sample_ratio: float) -> None:
        self._provider = TracerProvider(
            sampler=ParentBased(TraceIdRatioBased(sample_ratio)),
            resource=Resource({"service.name": f"rapport-{service}", "service.version": version()}),
            shutdown_on_exit=False,
        )
        self._provider.add_span_processor(BatchSpanProcessor(OTLPSpanExporter(endpoint=url)))
        self._tracer = self._provider.get_tracer("rapport")

    def begin(
        self, name: str, attributes: Attributes, *, parent: bytes | None = None, is_request: bool = False
    ) -> OtlpSpan:
        """Begin a span; a `parent` that is no header of the W3C is none."""
        carrier = {} if parent is None else {HEADER: parent.decode("ascii", "replace")}
        return OtlpSpan(
            self._tracer.start_span(
                name,
                context=_W3C.extract(carrier, Context()),
                kind=SpanKind.SERVER if is_request else SpanKind.CONSUMER,
                attributes=dict(attributes),
            )
        )

    def stop(self) -> None:
        """Send what is left."""
        self._provider.shutdown()
