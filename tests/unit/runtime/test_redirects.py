"""No service redirects to a host that a request names: a path with a slash too many does not exist."""

from pathlib import Path

import httpx
import pytest
from fastapi import FastAPI
from psycopg_pool import AsyncConnectionPool

from services.detector.app import unavailable_apps
from services.detector.results.application import results_application
from services.ingest.app import application
from services.runtime.http.credentials import CredentialStore
from services.runtime.outbox.erasures import Erasures
from services.runtime.process.clock import SystemClock
from services.runtime.process.metrics import Metrics


def results() -> FastAPI:
    """Return the detector's results, connected to nothing."""
    nowhere = AsyncConnectionPool(open=False)
    return results_application(nowhere, CredentialStore(Path("none")), Erasures("detector"))


@pytest.mark.parametrize(
    ("app", "path"),
    [
        (application(), "/v1/ratings/"),
        (results(), "/v1/episodes/"),
        *((app, "/livez/") for app in unavailable_apps("no model", SystemClock(), Metrics("detector"))),
    ],
    ids=["ingest", "results", "unavailable", "management"],
)
async def test_a_slash_too_many_is_not_found(app: FastAPI, path: str) -> None:
    transport = httpx.ASGITransport(app)
    async with httpx.AsyncClient(transport=transport, base_url="http://evil.example") as client:
        answers = [await client.request(method, path) for method in ("GET", "POST")]
    assert [(one.status_code, "location" in one.headers) for one in answers] == [(404, False)] * 2
