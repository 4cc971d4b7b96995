"""Returns the published OpenAPI document of the results API, without connecting to anything."""

from pathlib import Path
from typing import Any

from psycopg_pool import AsyncConnectionPool

from services.detector.results.application import results_application
from services.runtime.http.credentials import CredentialStore
from services.runtime.outbox.erasures import Erasures
from services.runtime.postgres.connect import Connection


def openapi() -> dict[str, Any]:
    """Return the published OpenAPI document of the results; connects to nothing."""
    nowhere = AsyncConnectionPool[Connection](open=False)
    return results_application(nowhere, CredentialStore(Path()), Erasures("detector")).openapi()
