"""What the endpoints share: the connection pool, and the practice that a request may read."""

from collections.abc import Callable

from psycopg_pool import AsyncConnectionPool

from services.runtime.http.credentials import CredentialStore
from services.runtime.http.tenant_auth import require_tenant
from services.runtime.postgres.connect import Connection

SCOPE = "results:read"

Pool = AsyncConnectionPool[Connection]


def practice_for(credentials: CredentialStore) -> Callable[..., str]:
    """Return a FastAPI dependency that gives the practice of the caller's key."""
    return require_tenant(credentials, SCOPE)
