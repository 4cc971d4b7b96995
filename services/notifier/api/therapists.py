"""Serves /v1/therapists: how a practice's therapists are reached; secrets are never returned."""

from dataclasses import replace
from typing import TYPE_CHECKING, Annotated

from fastapi import APIRouter, Path, Response
from psycopg_pool import AsyncConnectionPool
from pydantic import BaseModel, create_model

from schemas.rating import Reference
from services.notifier.channels.channel import (
    Channel,
    ChannelSettings,
    MailTiming,
    contact_columns,
    contact_models,
)
from services.notifier.directory.entry import TherapistEntry, entry_errors, to_therapist
from services.notifier.directory.store import Connection, find_therapist
from services.notifier.directory_changes import put_therapist, remove_therapist
from services.notifier.domain.therapist import Therapist
from services.runtime.http.credentials import CredentialStore
from services.runtime.http.problem import FieldError, Problem
from services.runtime.http.tenant_auth import WITH_BODY, KeyId, Tenant, tenant_router
from services.runtime.postgres.former_names import Party, current_name
from services.runtime.postgres.tenant_guard import connection_for
from services.runtime.process.clock import Clock

SCOPE = "therapists:write"

TherapistReference = Annotated[Reference, Path(description="The therapist's reference, as in the ratings.")]


class _StoredFields(BaseModel):
    """A directory entry as it is stored, without secrets."""

    therapist_id: str
    address: str | None
    locale: str
    time_zone: str
    channels: tuple[Channel, ...]
    supervisor: str | None
    quiet: bool
    mail_timing: MailTiming | None


_READABLE = {
    contact_columns(channel)[name]: (channel, name)
    for channel, model in contact_models().items()
    for name, field in model.model_fields.items()
    if field.repr
}
"""The published fields for contact data, each with its channel and field; secrets are left out."""

if TYPE_CHECKING:
    StoredTherapist = _StoredFields
else:
    StoredTherapist = create_model(
        "StoredTherapist",
        __base__=_StoredFields,
        __doc__=_StoredFields.__doc__,
        **dict.fromkeys(_READABLE, (str | None, ...)),
    )


def therapist_router(
    pool: AsyncConnectionPool[Connection],
    credentials: CredentialStore,
    settings: ChannelSettings,
    clock: Clock,
) -> APIRouter:
    """Return the routes of the directory."""
    router = tenant_router(credentials, SCOPE, prefix="/v1/therapists", tag="therapists")

    @router.put(
        "/{therapist_id}",
        responses={201: {"model": StoredTherapist, "description": "Stored, and new"}, **WITH_BODY},
    )
    async def put(
        therapist_id: TherapistReference,
        entry: TherapistEntry,
        practice: Tenant,
        key_id: KeyId,
        response: Response,
    ) -> StoredTherapist:
        """Store how a therapist is reached, replacing any earlier entry: 201 for a new one, else 200.

        Mail that waits is planned anew. Another address ends the therapist's sign-in links and sessions.
        """
        errors = [
            FieldError(error.field, error.message, error.expected) for error in entry_errors(entry, settings)
        ]
        if errors:
            raise Problem(422, "Not valid", "Correct the named fields and send again.", errors=errors)
        stored = to_therapist(practice, therapist_id, entry)
        async with connection_for(pool, practice) as conn:
            is_new = await put_therapist(conn, stored, clock.now(), actor=f"key {key_id}")
            current = await current_name(conn, "notifier", Party.THERAPIST, practice, therapist_id)
        response.status_code = 201 if is_new else 200
        stored = replace(stored, therapist_id=current)
        return _shown(stored)

    @router.get("/{therapist_id}")
    async def get(therapist_id: TherapistReference, practice: Tenant) -> StoredTherapist:
        """Return how a therapist is reached."""
        async with connection_for(pool, practice) as conn:
            current = await current_name(conn, "notifier", Party.THERAPIST, practice, therapist_id)
            found = await find_therapist(conn, practice, current)
        if found is None:
            raise Problem(404, "Not found")
        return _shown(found)

    @router.delete("/{therapist_id}", status_code=204)
    async def delete(therapist_id: TherapistReference, practice: Tenant, key_id: KeyId) -> None:
        """Remove a therapist: their sign-in links and sessions end at once, and mail that waits is cancelled.

        Items stay with the practice. A therapist who is stored again finds the own items again.
        """
        async with connection_for(pool, practice) as conn:
            removed = await remove_therapist(conn, practice, therapist_id, clock.now(), actor=f"key {key_id}")
        if not removed:
            raise Problem(404, "Not found")

    return router


def _shown(therapist: Therapist) -> StoredTherapist:
    fields = (*_StoredFields.model_fields,)
    contacts = {
        column: getattr(therapist.contacts.get(channel), name, None)
        for column, (channel, name) in _READABLE.items()
    }
    return StoredTherapist(**{name: getattr(therapist, name) for name in fields}, **contacts)
