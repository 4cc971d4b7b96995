"""What the read doors share: the connections they read with, and the practice a request may read."""

from collections.abc import Callable

from psycopg_pool import AsyncConnectionPool

from services.runtime.http.credentials import CredentialStore
from services.runtime.http.tenant_auth import require_tenant
from services.runtime.postgres.connect import Connection

SCOPE = "results:read"

Pool = AsyncConnectionPool[Connection]


def practice_for(credentials: CredentialStore) -> Callable[..., str]:
    """A dependency: the practice that the caller's key grants."""
    return require_tenant(credentials, SCOPE)
