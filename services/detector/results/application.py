"""Builds the application that serves the results API."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from fastapi import FastAPI

from services.detector.results.balance import balance_router
from services.detector.results.clients import client_router
from services.detector.results.dependencies import Pool, ReadEnds, RenameClient, cannot_rename, ends_unknown
from services.detector.results.episodes import episode_router
from services.detector.results.observations import CAPABILITIES, observation_router
from services.detector.results.ratings import rating_router
from services.detector.results.rejections import rejection_router
from services.runtime.http import error_responses
from services.runtime.http.capability import capability_router
from services.runtime.http.credentials import CredentialStore
from services.runtime.http.database_away import respond_while_database_away
from services.runtime.outbox.erasures import Erasures


def results_application(
    results: Pool,
    credentials: CredentialStore,
    erasures: Erasures,
    read_ends: ReadEnds = ends_unknown,
    rename: RenameClient = cannot_rename,
) -> FastAPI:
    """Return the application; it opens the pool at its start and closes it at its end.

    `read_ends` tells where the logs of ratings end; while it cannot, no rating is said to be unknown.
    """

    @asynccontextmanager
    async def with_results(_app: FastAPI) -> AsyncIterator[None]:
        await results.open(wait=False)
        yield
        await results.close()

    # The document is on the management port; FastAPI's page for it loads scripts from other hosts.
    app = FastAPI(
        title="Rapport: results",
        version="1",
        openapi_url=None,
        docs_url=None,
        redoc_url=None,
        redirect_slashes=False,
        lifespan=with_results,
    )
    error_responses.install(app)
    app.include_router(rating_router(results, credentials, erasures, read_ends))
    app.include_router(client_router(credentials, rename))
    for router in (rejection_router, episode_router, balance_router, observation_router):
        app.include_router(router(results, credentials))
    app.include_router(capability_router(CAPABILITIES))
    respond_while_database_away(app)
    return app
