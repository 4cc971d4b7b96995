"""The HTTP door opens before anything beside it runs, names its port, and closes in order."""

import asyncio

import httpx
import pytest
from fastapi import FastAPI
from structlog.testing import capture_logs

from services.runtime.http.server import serve
from services.runtime.process.errors import Halt
from services.runtime.process.settings import HttpSettings


class Beside:
    """Something beside the door."""

    def __init__(self, error: Exception | None = None) -> None:
        self.started = asyncio.Event()
        self.stopped = asyncio.Event()
        self.error = error

    async def run(self) -> None:
        """Work until stopped."""
        self.started.set()
        if self.error is not None:
            raise self.error
        await self.stopped.wait()

    async def stop(self) -> None:
        """End."""
        self.stopped.set()


async def test_the_port_is_named_and_answers_while_things_beside_it_run() -> None:
    app, beside, stop = FastAPI(), Beside(), asyncio.Event()
    with capture_logs() as logs:
        serving = asyncio.create_task(serve(app, HttpSettings(), beside=[beside], stop=stop))
        await beside.started.wait()
        (listening,) = [entry for entry in logs if entry["event"] == "listening"]
        async with httpx.AsyncClient() as asker:
            answer = await asker.get(f"{listening['url']}/openapi.json")
        stop.set()
        await serving

    assert answer.status_code == 200
    assert listening["port"] > 0
    assert beside.stopped.is_set()


async def test_what_ends_beside_it_ends_all_and_is_told() -> None:
    other = Beside()

    with pytest.raises(LookupError):
        await serve(FastAPI(), HttpSettings(), beside=[other, Beside(LookupError())], stop=asyncio.Event())

    assert other.stopped.is_set()


async def test_a_port_that_is_taken_is_named() -> None:
    stop = asyncio.Event()
    server = await asyncio.start_server(lambda _r, _w: None, "127.0.0.1", 0)
    async with server:
        port = server.sockets[0].getsockname()[1]

        with pytest.raises(Halt, match=f"127.0.0.1:{port}"):
            await serve(FastAPI(), HttpSettings(port=port), stop=stop)
