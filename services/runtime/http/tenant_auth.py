"""Authenticates the requests of every API but ingest's, as a FastAPI dependency."""

from collections.abc import Callable
from typing import Annotated

from fastapi import Header, Security
from fastapi.security import HTTPAuthorizationCredentials, HTTPBearer

from services.runtime.http.credentials import CredentialStore

# This only describes the key in the OpenAPI document; the store decides whether a key is valid.
_KEY = HTTPBearer(
    auto_error=False,
    scheme_name="key",
    description="A practice's key, or a network's key together with `Rapport-Practice`.",
)


def require_tenant(credentials: CredentialStore, scope: str) -> Callable[..., str]:
    """Return a dependency that yields the tenant for which a request may act in this scope.

    Raises:
        Problem: 401, 403, 400 or 404, see `CredentialStore.authenticate`.
    """

    def tenant(
        _key: Annotated[HTTPAuthorizationCredentials | None, Security(_KEY)],
        authorization: Annotated[str | None, Header(include_in_schema=False)] = None,
        rapport_practice: Annotated[
            str | None, Header(description="Which practice; needed with a network key.")
        ] = None,
    ) -> str:
        return credentials.authenticate(authorization, rapport_practice, scope).tenant

    return tenant
