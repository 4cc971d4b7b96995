"""Serves an application, and its management port, beside its background work until a signal stops it."""

import asyncio
import contextlib
import functools
import signal
import socket
from collections.abc import AsyncIterator, Iterator, Sequence
from typing import Literal, Protocol, cast

import uvicorn
from fastapi import FastAPI
from starlette.types import ASGIApp

from services.runtime.http.edge_protocol import EdgeProtocol
from services.runtime.http.http_metrics import MeasuredRequests, measure_lag
from services.runtime.http.request_body import BodyLimits, LimitedBodies
from services.runtime.http.request_ids import RequestIds
from services.runtime.http.sandbox_header import SandboxHeader
from services.runtime.process.errors import Halt
from services.runtime.process.log import get_logger
from services.runtime.process.metrics import Door, Metrics
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


def _bind(host: str, port: int, settings: str) -> socket.socket:
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    bound = socket.socket(family)
    bound.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        bound.bind((host, port))
    except OSError as error:
        bound.close()
        raise Halt(f"cannot listen on {host}:{port} ({error.strerror}); set {settings}") from None
    return bound


def _url(bound: socket.socket) -> str:
    host, port = bound.getsockname()[:2]
    return f"http://[{host}]:{port}" if ":" in host else f"http://{host}:{port}"


@contextlib.asynccontextmanager
async def _answering(
    app: ASGIApp,
    bound: socket.socket,
    http: HttpSettings,
    metrics: Metrics,
    *,
    lifespan: Literal["on", "off"],
) -> AsyncIterator[asyncio.Task[None]]:
    """Serve on a socket until the block ends; yield the task once it answers, or has failed."""
    protocol = functools.partial(EdgeProtocol, http=http, ends=metrics.connection_ends)
    config = uvicorn.Config(
        app,
        loop="none",
        # uvicorn only calls it, as it would the class.
        http=cast("type[asyncio.Protocol]", protocol),
        ws="none",
        timeout_keep_alive=http.keep_alive_s,
        access_log=False,
        log_config=None,
        server_header=False,
        lifespan=lifespan,
        timeout_graceful_shutdown=int(http.graceful_timeout_s),
    )
    server = _SignalFreeServer(config)
    task = asyncio.create_task(server.serve(sockets=[bound]), name="http")
    try:
        await server.answering.wait()
        yield task
    finally:
        server.should_exit = True
        await task
        bound.close()


async def serve(
    app: FastAPI,
    http: HttpSettings,
    metrics: Metrics,
    *,
    management: FastAPI | None = None,
    bodies: BodyLimits | None = None,
    beside: Sequence[Background] = (),
    stop: asyncio.Event | None = None,
) -> None:
    """Serve `app` and run the work `beside` it until `stop` is set (by default by SIGTERM or SIGINT).

    `management` is served on a port of its own. Connections and the bodies of requests stay within the limits
    of `http`, or of `bodies` where given.

    The ports are open before the work beside them starts, so health responds while brokers are away. On
    shutdown the work beside them stops first, and readiness still responds. The log event `listening` names
    the URLs.

    Raises:
        Halt: a port is in use.
        Exception: whatever ended a part of the work, after the rest was stopped.
    """
    stop = stop or stop_on_signals()
    bodies = bodies or BodyLimits(http.max_body_bytes, http.body_timeout_s)
    limited = functools.partial(LimitedBodies, limits=bodies)
    async with contextlib.AsyncExitStack() as ports:
        bound = _bind(http.host, http.port, "HTTP_HOST, HTTP_PORT")
        named = {"url": _url(bound), "port": bound.getsockname()[1]}
        measured = MeasuredRequests(RequestIds(SandboxHeader(limited(app))), metrics)
        public = _answering(measured, bound, http, metrics, lifespan="on")
        tasks = [await ports.enter_async_context(public)]
        if management is not None:
            host, port = http.management_host, http.management_port
            bound = _bind(host, port, "HTTP_MANAGEMENT_HOST, HTTP_MANAGEMENT_PORT")
            named["management_url"] = _url(bound)
            measured = MeasuredRequests(RequestIds(limited(management)), metrics, Door.MANAGEMENT)
            private = _answering(measured, bound, http, metrics, lifespan="off")
            tasks.append(await ports.enter_async_context(private))
        get_logger().info("listening", **named)
        lag = asyncio.create_task(measure_lag(metrics), name="event-loop-lag")
        try:
            await _until_stopped(stop, tasks, beside)
        finally:
            lag.cancel()


async def _until_stopped(
    stop: asyncio.Event, ports: Sequence[asyncio.Task[None]], beside: Sequence[Background]
) -> None:
    running = [asyncio.create_task(part.run(), name=type(part).__name__) for part in beside]
    stop_requested = asyncio.create_task(stop.wait())
    try:
        await asyncio.wait([stop_requested, *ports, *running], return_when=asyncio.FIRST_COMPLETED)
    finally:
        stop_requested.cancel()
        get_logger().info("stopping")
        for part in reversed(beside):
            await part.stop()
        results = await asyncio.gather(*running, return_exceptions=True)
    for result in results:
        if isinstance(result, BaseException):
            raise result
