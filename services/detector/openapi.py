"""The OpenAPI document of the results, as it is published: nothing is connected for it."""

from pathlib import Path
from typing import Any

from psycopg_pool import AsyncConnectionPool

from services.detector.app import application
from services.runtime.http.credentials import CredentialStore


def document() -> dict[str, Any]:
    """The document."""
    return application(AsyncConnectionPool(open=False), CredentialStore(Path())).openapi()
