"""Authenticates the requests of every API but ingest's, before their bodies are read."""

from collections.abc import Callable, Coroutine, Mapping
from typing import Annotated, Any

from fastapi import APIRouter, Depends, Header, Request, Response, Security
from fastapi.routing import APIRoute
from fastapi.security import HTTPAuthorizationCredentials, HTTPBearer

from services.runtime.http.credentials import CredentialStore
from services.runtime.http.problem import EDGE_RESPONSES, published_problem, retry_later
from services.runtime.http.sandbox_header import DESCRIPTION

# This only describes the key in the OpenAPI document; the store decides whether a key is valid.
_KEY = HTTPBearer(
    auto_error=False,
    scheme_name="key",
    description=f"A practice's key, or a network's key together with `Rapport-Practice`. {DESCRIPTION}",
)

_RESPONSES: dict[int | str, dict[str, Any]] = {
    400: published_problem("Not readable, or a network's key without `Rapport-Practice`"),
    401: published_problem("Not authenticated: no key, or none that is valid now"),
    403: published_problem("Not allowed: the key lacks the scope"),
    404: published_problem("Not found, or nothing that this key may see"),
    422: published_problem("Not as expected: the response names the fields"),
    503: retry_later(published_problem("Not available now: send again later")),
    **EDGE_RESPONSES,
}
WITH_BODY: dict[int | str, dict[str, Any]] = {413: published_problem("The body is too large")}
"""What a route that reads a body can answer besides."""


def tenant_router(
    credentials: CredentialStore,
    scope: str,
    *,
    prefix: str,
    tag: str,
    responses: Mapping[int | str, dict[str, Any]] = _RESPONSES,
) -> APIRouter:
    """Return a router whose requests need a key with this scope; `responses` documents its errors.

    FastAPI reads a body before it looks at dependencies, so that the route itself authenticates. Routes
    with a body declare `WITH_BODY`.

    Raises:
        Problem: a request gets 401, 403, 400, 404 or 503, see `CredentialStore.authenticate`.
    """

    class AuthenticatedRoute(APIRoute):
        def get_route_handler(self) -> Callable[[Request], Coroutine[Any, Any, Response]]:
            handle = super().get_route_handler()

            async def authenticate(request: Request) -> Response:
                headers = request.headers
                grant = credentials.authenticate(
                    headers.get("authorization"), headers.get("rapport-practice"), scope
                )
                request.state.tenant = grant.tenant
                request.state.key_id = grant.key_id
                return await handle(request)

            return authenticate

    return APIRouter(route_class=AuthenticatedRoute, prefix=prefix, tags=[tag], responses=dict(responses))


def _tenant(
    request: Request,
    _key: Annotated[HTTPAuthorizationCredentials | None, Security(_KEY)],
    _practice: Annotated[
        str | None, Header(alias="Rapport-Practice", description="Which practice; needed with a network key.")
    ] = None,
) -> str:
    tenant: str = request.state.tenant
    return tenant


Tenant = Annotated[str, Depends(_tenant)]
"""The tenant for which a request to a `tenant_router` may act."""


def _key_id(request: Request) -> str:
    key_id: str = request.state.key_id
    return key_id


KeyId = Annotated[str, Depends(_key_id)]
"""The id of the key that a request to a `tenant_router` was sent with; it is nothing secret."""
