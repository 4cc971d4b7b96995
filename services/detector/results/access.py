"""A request in, the practice it may read out."""

from collections.abc import Callable
from typing import Annotated

from fastapi import Header
from psycopg_pool import AsyncConnectionPool

from services.detector.practices import Connection
from services.runtime.credentials import CredentialStore

SCOPE = "results:read"

Pool = AsyncConnectionPool[Connection]


def practice_for(credentials: CredentialStore) -> Callable[..., str]:
    """A dependency: the practice that the caller's key grants.

    Raises:
        Problem: 401, 403, 400 or 404, see `CredentialStore.authenticate`.
    """

    def practice(
        authorization: Annotated[str | None, Header()] = None,
        rapport_practice: Annotated[
            str | None, Header(description="Which practice; needed with a network key.")
        ] = None,
    ) -> str:
        return credentials.authenticate(authorization, rapport_practice, SCOPE).tenant

    return practice
