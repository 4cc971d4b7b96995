"""GET /v1/rejections: a practice's rejected deliveries and the reasons."""

from datetime import datetime
from typing import Annotated

from fastapi import APIRouter, Query
from pydantic import BaseModel

from services.detector.results.dependencies import SCOPE, Pool
from services.runtime.http import paging
from services.runtime.http.credentials import CredentialStore
from services.runtime.http.tenant_auth import Tenant, tenant_router
from services.runtime.outbox import pages
from services.runtime.postgres.tenant_guard import connection_for

_PAGE = f"""
SELECT r.xid::text, r.seq, subject_id, reason, detail, recorded_at, replayed_at
FROM detector.rejection r
WHERE tenant = %(practice)s AND {pages.after("r")} ORDER BY {pages.order("r")} LIMIT %(limit)s
"""


class RejectedDelivery(BaseModel):
    """One delivery that ingest accepted and the detector rejected."""

    rating_id: str | None
    reason: str
    detail: str
    rejected_at: datetime
    replayed_at: datetime | None
    """When an operator published it again; the list then holds it once more if it was rejected again."""


class RejectionPage(BaseModel):
    """A page of rejections, oldest first; `after=next` asks for the next page."""

    rejections: list[RejectedDelivery]
    next: str | None
    """None when the page is empty; ask again later with the same `after`."""


def rejection_router(pool: Pool, credentials: CredentialStore) -> APIRouter:
    """Return the router with the endpoint."""
    router = tenant_router(credentials, SCOPE, prefix="/v1", tag="rejections")

    @router.get("/rejections")
    async def rejections(
        practice: Tenant,
        after: Annotated[str | None, Query(max_length=100)] = None,
        limit: Annotated[int, Query(ge=1, le=1000)] = 100,
    ) -> RejectionPage:
        """Return rejections after the cursor."""
        start = paging.decode_cursor(after)
        async with connection_for(pool, practice) as conn:
            position = await pages.page_parameters(conn, start, "detector")
            rows = await (
                await conn.execute(_PAGE, {"practice": practice, "limit": limit, **position})
            ).fetchall()
        last = paging.encode_cursor(paging.Cursor(int(rows[-1][0]), rows[-1][1])) if rows else None
        rejections = [
            RejectedDelivery(
                rating_id=subject, reason=reason, detail=detail, rejected_at=at, replayed_at=replayed_at
            )
            for _, _, subject, reason, detail, at, replayed_at in rows
        ]
        return RejectionPage(rejections=rejections, next=last)

    return router
