"""Returns the published OpenAPI document of the results API, without connecting to anything."""

from pathlib import Path
from typing import Any

from psycopg_pool import AsyncConnectionPool

from services.detector.results.application import results_application
from services.runtime.http.credentials import CredentialStore


def openapi() -> dict[str, Any]:
    """Return the published OpenAPI document of the results; connects to nothing."""
    return results_application(AsyncConnectionPool(open=False), CredentialStore(Path())).openapi()
