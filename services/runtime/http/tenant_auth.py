"""A request in, the tenant that its key grants out: the dependency of every door that is not ingest's."""

from collections.abc import Callable
from typing import Annotated

from fastapi import Header, Security
from fastapi.security import HTTPAuthorizationCredentials, HTTPBearer

from services.runtime.http.credentials import CredentialStore

# It only describes the key for the OpenAPI document; whether one is good is said by the store alone.
_KEY = HTTPBearer(
    auto_error=False,
    scheme_name="key",
    description="A practice's key, or a network's key together with `Rapport-Practice`.",
)


def require_tenant(credentials: CredentialStore, scope: str) -> Callable[..., str]:
    """A dependency: the tenant a request may act for in this scope.

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
