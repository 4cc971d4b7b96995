"""Defines what a tracer does, and holds the one of this process: none, unless `TRACES_URL` is set.

Whoever asks for it does nothing at all without one. Attributes of spans hold topics, counts and offsets,
never ids of practices, clients or therapists.
"""

from collections.abc import Mapping
from typing import Protocol

HEADER = "traceparent"
"""The header of a record that names the span that wrote it, in the form of the W3C."""
Attributes = Mapping[str, str | int]


class Span(Protocol):
    """One piece of work."""

    @property
    def header(self) -> bytes:
        """The value of the header that names this span."""

    def end(self, *, failed: bool = False) -> None:
        """Note that the work ended now."""


class Tracer(Protocol):
    """Makes spans and sends them, beside the work."""

    def begin(
        self, name: str, attributes: Attributes, *, parent: bytes | None = None, is_request: bool = False
    ) -> Span:
        """Begin a span; `parent` is the header of the span that caused it."""

    def stop(self) -> None:
        """Send what is left, for a few seconds at most."""


class _Process:
    tracer: Tracer | None = None


def current_tracer() -> Tracer | None:
    """Return the tracer of this process; None while nothing is traced."""
    return _Process.tracer


def set_tracer(tracer: Tracer | None) -> None:
    """Trace this process from now on; None: not any more."""
    _Process.tracer = tracer
