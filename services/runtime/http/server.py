"""Serves an application on a port, with its background work, until a signal stops it."""

import asyncio
import contextlib
import functools
import signal
import socket
from collections.abc import Iterator, Sequence
from typing import Protocol, cast

import uvicorn
from fastapi import FastAPI

from services.runtime.http.edge_protocol import EdgeProtocol
from services.runtime.http.request_body import BodyLimits, LimitedBodies
from services.runtime.process.errors import Halt
from services.runtime.process.log import get_logger
from services.runtime.process.metrics import Metrics
from services.runtime.process.settings import HttpSettings


class Background(Protocol):
    """Work beside the HTTP server: after `stop`, `run` finishes what is in progress and returns."""

    async def run(self) -> None:
        """Work until stopped."""

    async def stop(self) -> None:
        """Finish the work in progress and return."""


class _SignalFreeServer(uvicorn.Server):
    # uvicorn would raise the signal again after its shutdown, and the process would end as if killed.
    @contextlib.contextmanager
    def capture_signals(self) -> Iterator[None]:
        yield

    def __init__(self, config: uvicorn.Config) -> None:
        super().__init__(config)
        self.answering = asyncio.Event()

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        try:
            await super().startup(sockets)
        finally:
            self.answering.set()


def stop_on_signals() -> asyncio.Event:
    """Return an event that SIGTERM and SIGINT set."""
    stop = asyncio.Event()
    loop = asyncio.get_running_loop()
    for name in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(name, stop.set)
    return stop


def _bind(http: HttpSettings) -> socket.socket:
    family = socket.AF_INET6 if ":" in http.host else socket.AF_INET
    bound = socket.socket(family)
    bound.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        bound.bind((http.host, http.port))
    except OSError as error:
        bound.close()
        raise Halt(
            f"cannot listen on {http.host}:{http.port} ({error.strerror}); set HTTP_HOST, HTTP_PORT"
        ) from None
    return bound


async def serve(
    app: FastAPI,
    http: HttpSettings,
    metrics: Metrics,
    *,
    bodies: BodyLimits | None = None,
    beside: Sequence[Background] = (),
    stop: asyncio.Event | None = None,
) -> None:
    """Serve `app` and run the work `beside` it until `stop` is set (by default by SIGTERM or SIGINT).

    Connections and the bodies of requests stay within the limits of `http`, or of `bodies` where given.

    The port is open before the work beside it starts, so health responds while brokers are away. On shutdown
    the work beside it stops first, and readiness still responds. The log event `listening` names the URL.

    Raises:
        Halt: the port is in use.
        Exception: whatever ended a part of the work, after the rest was stopped.
    """
    stop = stop or stop_on_signals()
    bound = _bind(http)
    bodies = bodies or BodyLimits(http.max_body_bytes, http.body_timeout_s)
    protocol = functools.partial(EdgeProtocol, http=http, ends=metrics.connection_ends)
    config = uvicorn.Config(
        LimitedBodies(app, bodies),
        loop="none",
        # uvicorn only calls it, as it would the class.
        http=cast("type[asyncio.Protocol]", protocol),
        ws="none",
        timeout_keep_alive=http.keep_alive_s,
        access_log=False,
        log_config=None,
        server_header=False,
        lifespan="on",
        timeout_graceful_shutdown=int(http.graceful_timeout_s),
    )
    server = _SignalFreeServer(config)
    http_task = asyncio.create_task(server.serve(sockets=[bound]), name="http")
    try:
        await server.answering.wait()
        host, port = bound.getsockname()[:2]
        shown = f"[{host}]" if ":" in host else host
        get_logger().info("listening", url=f"http://{shown}:{port}", port=port)
        await _until_stopped(stop, http_task, beside)
    finally:
        server.should_exit = True
        await http_task
        bound.close()


async def _until_stopped(
    stop: asyncio.Event, http_task: asyncio.Task[None], beside: Sequence[Background]
) -> None:
    running = [asyncio.create_task(part.run(), name=type(part).__name__) for part in beside]
    stop_requested = asyncio.create_task(stop.wait())
    try:
        await asyncio.wait([stop_requested, http_task, *running], return_when=asyncio.FIRST_COMPLETED)
    finally:
        stop_requested.cancel()
        get_logger().info("stopping")
        for part in reversed(beside):
            await part.stop()
        results = await asyncio.gather(*running, return_exceptions=True)
    for result in results:
        if isinstance(result, BaseException):
            raise result
