"""Requests are counted and timed by door and class, and the event loop's lag is measured."""

import asyncio
import contextlib
import time

import httpx
import pytest
from starlette.types import ASGIApp, Receive, Scope, Send

from services.runtime.http.http_metrics import MeasuredRequests, measure_lag
from services.runtime.process.metrics import Door, Metrics, ResponseClass


async def answering(scope: Scope, _receive: Receive, send: Send) -> None:
    """Answer the status that the path ends with; break where it ends with anything else."""
    status = int(scope["path"].rsplit("/", 1)[1])
    await send({"type": "http.response.start", "status": status, "headers": []})
    await send({"type": "http.response.body", "body": b""})


async def ask(app: ASGIApp, path: str) -> None:
    transport = httpx.ASGITransport(app, raise_app_exceptions=False)
    async with httpx.AsyncClient(transport=transport, base_url="http://t") as client:
        await client.get(path)


def counted(metrics: Metrics) -> dict[tuple[str, str], float]:
    """Return how many requests there were, without those of which there were none."""
    found = {
        (door.value, kind.value): metrics.registry.get_sample_value(
            "rapport_http_requests_total", {"door": door, "class": kind}
        )
        for door in Door
        for kind in ResponseClass
    }
    assert None not in found.values()
    return {labels: number for labels, number in found.items() if number}


async def test_requests_are_counted_by_door_and_class() -> None:
    metrics = Metrics("sample")
    app = MeasuredRequests(answering, metrics)
    for path in ("/v1/ratings/202", "/v1/ratings/503", "/v1/ratings/422", "/items/200", "/nothing/404"):
        await ask(app, path)
    await ask(MeasuredRequests(answering, metrics, Door.MANAGEMENT), "/v1/ratings/200")

    assert counted(metrics) == {
        ("api", "2xx"): 1,
        ("api", "5xx"): 1,
        ("api", "4xx"): 1,
        ("pages", "2xx"): 1,
        ("pages", "4xx"): 1,
        ("management", "2xx"): 1,
    }


async def test_a_request_that_breaks_is_a_fault_and_one_that_nobody_waits_for_is_none() -> None:
    metrics = Metrics("sample")
    await ask(MeasuredRequests(answering, metrics), "/v1/broken")

    async def hanging(_scope: Scope, _receive: Receive, _send: Send) -> None:
        await asyncio.Event().wait()

    waiting = asyncio.create_task(ask(MeasuredRequests(hanging, metrics), "/v1/hanging"))
    await asyncio.sleep(0.01)
    waiting.cancel()
    with contextlib.suppress(asyncio.CancelledError):
        await waiting

    assert counted(metrics) == {("api", "5xx"): 1, ("api", "none"): 1}


@pytest.mark.parametrize("path", ["/livez", "/readyz", "/healthz"])
async def test_questions_about_health_have_a_door_of_their_own(path: str) -> None:
    metrics = Metrics("sample")

    async def healthy(_scope: Scope, _receive: Receive, send: Send) -> None:
        await send({"type": "http.response.start", "status": 200, "headers": []})
        await send({"type": "http.response.body", "body": b""})

    await ask(MeasuredRequests(healthy, metrics), path)

    assert counted(metrics) == {("health", "2xx"): 1}


async def test_the_time_of_a_request_ends_with_its_response() -> None:
    metrics = Metrics("sample")

    async def slow(_scope: Scope, _receive: Receive, send: Send) -> None:
        await send({"type": "http.response.start", "status": 200, "headers": []})
        await asyncio.sleep(0.03)
        await send({"type": "http.response.body", "body": b""})

    await ask(MeasuredRequests(slow, metrics), "/v1/ratings")

    took_s = metrics.registry.get_sample_value("rapport_http_request_seconds_sum", {"door": "api"})
    assert took_s is not None
    assert took_s >= 0.03


async def test_work_that_holds_the_event_loop_shows_as_lag() -> None:
    metrics = Metrics("sample")
    measuring = asyncio.create_task(measure_lag(metrics))
    await asyncio.sleep(0)
    time.sleep(0.8)  # noqa: ASYNC251 - this is what is measured
    async with asyncio.timeout(30):
        while not metrics.registry.get_sample_value(  # noqa: ASYNC110 - a gauge cannot be awaited
            "rapport_event_loop_lag_seconds_count"
        ):
            await asyncio.sleep(0.01)
    measuring.cancel()

    lag_s = metrics.registry.get_sample_value("rapport_event_loop_lag_seconds_sum")
    assert lag_s is not None
    assert lag_s >= 0.25
