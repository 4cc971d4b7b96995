"""Builds the OpenAPI document of the notifier's API."""

from pathlib import Path
from typing import Any

from fastapi import FastAPI
from psycopg_pool import AsyncConnectionPool

from services.notifier.api.cds_hooks import card_router, discovery_router
from services.notifier.api.communications import CAPABILITIES, communication_router
from services.notifier.api.next_sessions import next_session_router
from services.notifier.api.notifications import notification_router
from services.notifier.api.therapists import therapist_router
from services.notifier.app import TITLE, VERSION
from services.notifier.directory.store import Connection
from services.notifier.wording import Wordings
from services.runtime.http import error_responses
from services.runtime.http.capability import capability_router
from services.runtime.http.credentials import CredentialStore
from services.runtime.process.clock import SystemClock


def openapi() -> dict[str, Any]:
    """Return the published OpenAPI document, without the therapists' pages; connects to nothing."""
    pool: AsyncConnectionPool[Connection] = AsyncConnectionPool(open=False)
    credentials = CredentialStore(Path())
    app = FastAPI(title=TITLE, version=VERSION)
    error_responses.install(app)
    app.include_router(therapist_router(pool, credentials, {}, SystemClock()))
    app.include_router(next_session_router(pool, credentials, SystemClock()))
    app.include_router(notification_router(pool, credentials, SystemClock()))
    app.include_router(communication_router(pool, credentials, SystemClock()))
    app.include_router(capability_router(CAPABILITIES))
    app.include_router(discovery_router())
    app.include_router(card_router(pool, credentials, str, Wordings.load().of, SystemClock()))
    return app.openapi()
