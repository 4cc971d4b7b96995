"""POST /v1/clients/rename: gives a client another reference, with everything that is stored."""

from datetime import datetime
from typing import Any

from fastapi import APIRouter
from pydantic import BaseModel, ConfigDict

from schemas.rating import Reference
from services.detector.results.dependencies import RenameClient
from services.runtime.http.credentials import CredentialStore
from services.runtime.http.problem import FieldError, Problem, published_problem
from services.runtime.http.tenant_auth import WITH_BODY, KeyId, Tenant, tenant_router
from services.runtime.postgres.former_names import RenameRefusedError
from services.runtime.process.errors import Retry

SCOPE = "ratings:write"
"""Who may send and withdraw ratings may say whose they are."""
_RETRY_AFTER_S = 5
_RESPONSES: dict[int | str, dict[str, Any]] = {
    409: published_problem("Not possible: the detail says why and what to do; nothing was changed"),
    **WITH_BODY,
}


class ClientRename(BaseModel):
    """The reference that a practice has replaced, and the new one."""

    model_config = ConfigDict(frozen=True, extra="forbid", use_attribute_docstrings=True)

    client_id: Reference
    """The reference until now."""
    new_client_id: Reference
    """The reference from now on."""


class RenamedClient(BaseModel):
    """A client who has another reference now."""

    client_id: str
    former_client_id: str
    renamed_at: datetime


def client_router(credentials: CredentialStore, rename: RenameClient) -> APIRouter:
    """Return the router with the endpoint."""
    router = tenant_router(credentials, SCOPE, prefix="/v1/clients", tag="clients")

    @router.post("/rename", responses=_RESPONSES)
    async def rename_client(body: ClientRename, practice: Tenant, key_id: KeyId) -> RenamedClient:
        """Give a client another reference; repeating it changes nothing.

        Sessions, episodes and items go along, and nobody is told again. What names the former reference is
        read as the new one from then on, whenever it arrives, also where nothing was sent about the client
        yet. Rename before anything is sent under the new reference: two histories cannot become one (409).
        """
        if body.new_client_id == body.client_id:
            error = FieldError("new_client_id", "is the same", "another reference than client_id")
            raise Problem(422, "Not valid", "Correct the named fields and send again.", errors=[error])
        try:
            at = await rename(practice, body.client_id, body.new_client_id, f"key {key_id}")
        except RenameRefusedError as refused:
            raise Problem(409, "Not possible", f"Nothing was renamed: {refused}.") from None
        except Retry:
            detail = "Nothing was renamed. Send it again in a moment."
            headers = {"Retry-After": str(_RETRY_AFTER_S)}
            raise Problem(503, "Not available now", detail, headers=headers) from None
        return RenamedClient(client_id=body.new_client_id, former_client_id=body.client_id, renamed_at=at)

    return router
