"""Requests that wait on a connection for the response before them are few, and small together."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from fastapi import FastAPI
from structlog.testing import capture_logs

from services.runtime.http.server import serve
from services.runtime.process.metrics import ConnectionEnd, Metrics
from services.runtime.process.settings import HttpSettings
from tests.unit.runtime.test_server import BackgroundWork

MOST_HEAD_BYTES = 4096
DEADLINE_S = 60


class HeldResponses:
    """A server whose responses wait until they are released, and one connection to it."""

    def __init__(self) -> None:
        self.metrics = Metrics("test")
        self.released = asyncio.Event()
        self.reader: asyncio.StreamReader
        self.writer: asyncio.StreamWriter

    def ended(self) -> float | None:
        """How many connections ended because too many requests waited."""
        labels = {"reason": ConnectionEnd.TOO_MANY_REQUESTS.value}
        return self.metrics.registry.get_sample_value("rapport_http_connection_ends_total", labels)


@asynccontextmanager
async def held_responses() -> AsyncIterator[HeldResponses]:
    """Serve until the block ends."""
    held, app, work, stop = HeldResponses(), FastAPI(), BackgroundWork(), asyncio.Event()

    @app.get("/held")
    async def hold() -> str:
        await held.released.wait()
        return "released"

    with capture_logs() as logs:
        settings = HttpSettings(max_head_bytes=MOST_HEAD_BYTES)
        serving = asyncio.create_task(serve(app, settings, held.metrics, beside=[work], stop=stop))
        await work.started.wait()
    (port,) = [entry["port"] for entry in logs if entry["event"] == "listening"]
    held.reader, held.writer = await asyncio.open_connection("127.0.0.1", port)
    try:
        async with asyncio.timeout(DEADLINE_S):
            yield held
    finally:
        held.released.set()
        held.writer.transport.abort()
        stop.set()
        await serving


def request(value_bytes: int) -> bytes:
    """Return a request with a header of this size."""
    return b"GET /held HTTP/1.1\r\nHost: x\r\nCookie: " + b"v" * value_bytes + b"\r\n\r\n"


async def test_small_requests_that_are_sent_at_once_are_all_answered() -> None:
    async with held_responses() as held:
        held.writer.write(request(500) * 4)
        held.released.set()
        received = b""
        while received.count(b'"released"') < 4:
            received += await held.reader.read(1000)
    assert held.ended() == 0


async def test_requests_that_wait_together_have_the_size_of_one_head_at_most() -> None:
    async with held_responses() as held:
        held.writer.write(request(3000) * 3)
        assert await held.reader.read() == b""
    assert held.ended() == 1
