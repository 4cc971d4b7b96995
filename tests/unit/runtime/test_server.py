"""The port opens before the background work starts, is logged, and closes in order."""

import asyncio

import httpx
import pytest
from fastapi import FastAPI
from structlog.testing import capture_logs

from services.runtime.http.server import serve
from services.runtime.process.errors import Halt
from services.runtime.process.metrics import Metrics
from services.runtime.process.settings import HttpSettings


class BackgroundWork:
    """Background work that runs until it is stopped, or fails at once."""

    def __init__(self, error: Exception | None = None) -> None:
        self.started = asyncio.Event()
        self.stopped = asyncio.Event()
        self.error = error

    async def run(self) -> None:
        """Run until stopped, or raise the error."""
        self.started.set()
        if self.error is not None:
            raise self.error
        await self.stopped.wait()

    async def stop(self) -> None:
        """Let `run` return."""
        self.stopped.set()


async def test_the_port_is_logged_and_responds_while_background_work_runs() -> None:
    app, work, stop = FastAPI(), BackgroundWork(), asyncio.Event()
    with capture_logs() as logs:
        serving = asyncio.create_task(serve(app, HttpSettings(), Metrics("test"), beside=[work], stop=stop))
        await work.started.wait()
        (listening,) = [entry for entry in logs if entry["event"] == "listening"]
        async with httpx.AsyncClient() as client:
            response = await client.get(f"{listening['url']}/openapi.json")
        stop.set()
        await serving

    assert response.status_code == 200
    assert listening["port"] > 0
    assert "management_url" not in listening
    assert work.stopped.is_set()


async def test_the_management_port_is_another_one_and_both_are_named_when_in_use() -> None:
    stop, ready = asyncio.Event(), BackgroundWork()
    public, management = FastAPI(openapi_url=None), FastAPI()
    with capture_logs() as logs:
        serving = asyncio.create_task(
            serve(public, HttpSettings(), Metrics("test"), management=management, beside=[ready], stop=stop)
        )
        await ready.started.wait()
        (listening,) = [entry for entry in logs if entry["event"] == "listening"]
        async with httpx.AsyncClient() as client:
            answers = [
                (await client.get(f"{listening[url]}/openapi.json")).status_code
                for url in ("url", "management_url")
            ]
        taken = HttpSettings(management_port=int(listening["management_url"].rsplit(":", 1)[1]))
        with pytest.raises(Halt, match="set HTTP_MANAGEMENT_HOST, HTTP_MANAGEMENT_PORT"):
            await serve(public, taken, Metrics("test"), management=management, stop=asyncio.Event())
        stop.set()
        await serving

    assert answers == [404, 200]


async def test_background_work_that_fails_stops_the_rest_and_is_raised() -> None:
    other = BackgroundWork()

    with pytest.raises(LookupError):
        await serve(
            FastAPI(),
            HttpSettings(),
            Metrics("test"),
            beside=[other, BackgroundWork(LookupError())],
            stop=asyncio.Event(),
        )

    assert other.stopped.is_set()


async def test_a_port_that_is_in_use_is_named() -> None:
    stop = asyncio.Event()
    server = await asyncio.start_server(lambda _r, _w: None, "127.0.0.1", 0)
    async with server:
        port = server.sockets[0].getsockname()[1]

        with pytest.raises(Halt, match=f"127.0.0.1:{port}"):
            await serve(FastAPI(), HttpSettings(port=port), Metrics("test"), stop=stop)
