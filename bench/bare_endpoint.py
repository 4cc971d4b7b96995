"""Serves a FastAPI endpoint that answers 202 to every request: the cost of the framework alone."""

import asyncio

import uvloop
from fastapi import FastAPI

from services.runtime.http.server import serve
from services.runtime.process.log import configure, get_logger
from services.runtime.process.metrics import Metrics
from services.runtime.process.settings import HttpSettings, LogSettings


class _ReadyLog:
    """Logs that the endpoint answers requests, and runs until it is stopped."""

    def __init__(self) -> None:
        self._stop = asyncio.Event()

    async def run(self) -> None:
        get_logger().info("bare")
        await self._stop.wait()

    async def stop(self) -> None:
        self._stop.set()


async def run() -> None:
    """Serve until stopped."""
    app = FastAPI()

    @app.post("/v1/ratings", status_code=202)
    async def nothing() -> dict[str, str]:
        return {"status": "accepted"}

    await serve(app, HttpSettings(), Metrics("bare"), beside=[_ReadyLog()])


if __name__ == "__main__":
    configure(LogSettings(), "bare")
    uvloop.run(run())
