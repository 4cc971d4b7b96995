"""Counts and times the requests of both ports, and measures how late the event loop is."""

import asyncio
import time

from starlette.types import ASGIApp, Message, Receive, Scope, Send

from services.runtime.process.metrics import Door, Metrics, ResponseClass

MEASURE_LAG_EVERY_S = 0.5
_HEALTH = frozenset({"/livez", "/readyz", "/healthz"})


class MeasuredRequests:
    """Runs an application, and counts and times every request by its door; `door` names the door of all."""

    def __init__(self, app: ASGIApp, metrics: Metrics, door: Door | None = None) -> None:
        self._app = app
        self._metrics = metrics
        self._door = door

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Handle one request."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        path, seen = scope["path"], ResponseClass.NONE
        public = Door.HEALTH if path in _HEALTH else Door.API if path.startswith("/v1/") else Door.PAGES
        door = self._door or public
        began = time.monotonic()

        async def send_and_note(message: Message) -> None:
            nonlocal seen
            if message["type"] == "http.response.start":
                seen = ResponseClass(f"{message['status'] // 100}xx")
            await send(message)

        try:
            await self._app(scope, receive, send_and_note)
        except Exception:
            # The server answers 500 where no response has begun.
            seen = ResponseClass.SERVER_ERROR
            raise
        finally:
            self._metrics.request_seconds.labels(door).observe(time.monotonic() - began)
            self._metrics.requests.labels(door, seen).inc()


async def measure_lag(metrics: Metrics) -> None:
    """Measure until cancelled how much later than asked the event loop resumes a task."""
    while True:
        asked = time.monotonic() + MEASURE_LAG_EVERY_S
        await asyncio.sleep(MEASURE_LAG_EVERY_S)
        metrics.event_loop_lag.observe(max(0.0, time.monotonic() - asked))
