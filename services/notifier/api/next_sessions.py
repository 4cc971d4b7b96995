"""Serves /v1/clients/{client_id}/next-session: a practice states when a client's next session is."""

from datetime import datetime
from typing import Annotated

from fastapi import APIRouter, Path
from psycopg_pool import AsyncConnectionPool
from pydantic import BaseModel, ConfigDict

from schemas.rating import NEXT_AHEAD, Reference, When
from services.notifier.deliveries.mail_plans import lock_therapists, plan_mails
from services.notifier.directory.store import Connection, put_next_session
from services.runtime.http.credentials import CredentialStore
from services.runtime.http.problem import FieldError, Problem
from services.runtime.http.tenant_auth import WITH_BODY, Tenant, tenant_router
from services.runtime.postgres.former_names import Party, current_name
from services.runtime.postgres.tenant_guard import connection_for
from services.runtime.process.clock import Clock

SCOPE = "therapists:write"

ClientReference = Annotated[Reference, Path(description="The client's reference, as in the ratings.")]


class NextSessionStatement(BaseModel):
    """When the next session of a client with a therapist is; the statement received last counts."""

    model_config = ConfigDict(frozen=True, extra="forbid", use_attribute_docstrings=True)

    therapist_id: Reference
    at: When | None
    """Null when no session is planned."""


class StoredNextSession(BaseModel):
    """A statement as it is stored."""

    client_id: str
    therapist_id: str
    at: datetime | None


def next_session_router(
    pool: AsyncConnectionPool[Connection], credentials: CredentialStore, clock: Clock
) -> APIRouter:
    """Return the route for next sessions."""
    router = tenant_router(credentials, SCOPE, prefix="/v1/clients", tag="next sessions")

    @router.put("/{client_id}/next-session", responses=WITH_BODY)
    async def put(
        client_id: ClientReference, statement: NextSessionStatement, practice: Tenant
    ) -> StoredNextSession:
        """State when a client's next session is, or that none is planned; repeating it changes nothing.

        Mail that waits for this session is planned anew.
        A client or therapist of whom nothing else is known yet is accepted.
        """
        now = clock.now()
        if statement.at is not None and statement.at > now + NEXT_AHEAD:
            error = FieldError("at", "is too far in the future", "at most 2 years from now")
            raise Problem(422, "Not valid", "Correct the named fields and send again.", errors=[error])
        async with connection_for(pool, practice) as conn:
            therapist = await current_name(
                conn, "notifier", Party.THERAPIST, practice, statement.therapist_id
            )
            client = await current_name(conn, "notifier", Party.CLIENT, practice, client_id)
            await lock_therapists(conn, [(practice, therapist)])
            await put_next_session(conn, (practice, therapist, client), statement.at, received_at=now)
            await plan_mails(conn, practice, therapist, now)
        return StoredNextSession(client_id=client, therapist_id=therapist, at=statement.at)

    return router
