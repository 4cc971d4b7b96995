"""/v1/therapists: a practice says how its therapists are reached; a webhook's secret is never given back."""

from typing import Annotated

from fastapi import APIRouter, Depends, Path, Response
from psycopg_pool import AsyncConnectionPool
from pydantic import BaseModel

from schemas.rating import Reference
from services.notifier.directory.entry import Entry, faults, therapist
from services.notifier.directory.store import Connection, find_therapist, put_therapist
from services.notifier.domain.decision import Channel
from services.notifier.domain.therapist import Therapist
from services.runtime.http.credentials import CredentialStore
from services.runtime.http.problem import FieldError, Problem
from services.runtime.http.tenant_auth import require_tenant

SCOPE = "therapists:write"

TherapistReference = Annotated[Reference, Path(description="The therapist's reference, as in the ratings.")]


class Shown(BaseModel):
    """A directory entry as it is read."""

    therapist_id: str
    address: str | None
    locale: str
    time_zone: str
    channels: tuple[Channel, ...]
    supervisor: str | None
    quiet: bool
    webhook_url: str | None


def therapist_router(
    pool: AsyncConnectionPool[Connection], credentials: CredentialStore, *, plain_http: bool
) -> APIRouter:
    """The door to the directory."""
    router = APIRouter(prefix="/v1/therapists", tags=["therapists"])
    Practice = Annotated[str, Depends(require_tenant(credentials, SCOPE))]  # noqa: N806 - a type

    @router.put("/{therapist_id}")
    async def put(
        therapist_id: TherapistReference, entry: Entry, practice: Practice, response: Response
    ) -> Shown:
        """Say how a therapist is reached, replacing what was said before. 201 for a new one, else 200."""
        found = faults(entry, plain_http=plain_http)
        wrong = [FieldError(one.field, one.message, one.expected) for one in found]
        if wrong:
            raise Problem(422, "Not as expected", "Correct the named fields and send again.", errors=wrong)
        stored = therapist(practice, therapist_id, entry)
        async with pool.connection() as conn:
            response.status_code = 201 if await put_therapist(conn, stored) else 200
        return _shown(stored)

    @router.get("/{therapist_id}")
    async def get(therapist_id: TherapistReference, practice: Practice) -> Shown:
        """How a therapist is reached."""
        async with pool.connection() as conn:
            found = await find_therapist(conn, practice, therapist_id)
        if found is None:
            raise Problem(404, "Not found")
        return _shown(found)

    return router


def _shown(one: Therapist) -> Shown:
    return Shown(
        therapist_id=one.therapist_id,
        address=one.address,
        locale=one.locale,
        time_zone=one.time_zone,
        channels=one.channels,
        supervisor=one.supervisor,
        quiet=one.quiet,
        webhook_url=one.webhook_url,
    )
