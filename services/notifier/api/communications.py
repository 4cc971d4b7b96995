"""GET /v1/fhir/Communication: each change that a therapist was told, on each channel."""

from collections.abc import Sequence
from typing import Annotated, Any

from fastapi import APIRouter, Query
from psycopg_pool import AsyncConnectionPool

from schemas.fhir import names
from schemas.fhir.coded import client, own_concept, therapist
from schemas.ids import communication_id
from services.notifier.channels.channel import Channel
from services.notifier.directory.store import Connection
from services.notifier.domain.decision import DecisionOutcome, DecisionReason
from services.notifier.domain.delivery import DeliveryState
from services.notifier.inbox.audit_log import log_decisions_read
from services.runtime.http import paging
from services.runtime.http.capability import capability_statement
from services.runtime.http.credentials import CredentialStore
from services.runtime.http.operation_outcome import FHIR_RESPONSES, PREFIX
from services.runtime.http.searchset import FhirResponse, published_bundle, searchset
from services.runtime.http.tenant_auth import KeyId, Tenant, tenant_router
from services.runtime.outbox import pages
from services.runtime.postgres.tenant_guard import connection_for
from services.runtime.process.clock import Clock

SCOPE = "results:read"
_TEXT = "There is something to look at before the next session."
_STATUS = {
    DeliveryState.PENDING: "preparation",
    DeliveryState.RETRYING: "in-progress",
    DeliveryState.SENT: "completed",
    DeliveryState.COMBINED: "completed",
    DeliveryState.FAILED: "stopped",
    DeliveryState.CANCELLED: "not-done",
}
_PAGE = f"""
SELECT d.xid::text, d.seq, d.episode_id, d.revision, d.change, d.channel, d.reason, d.therapist_id,
    i.client_id, d.decided_at, m.state, m.finished_at
FROM (SELECT * FROM notifier.decision AS p WHERE practice_id = %(practice)s AND outcome = %(told)s
    AND {pages.after("p")} ORDER BY {pages.order("p")} LIMIT %(limit)s) AS d
JOIN notifier.item AS i ON i.practice_id = d.practice_id AND i.episode_id = d.episode_id
LEFT JOIN notifier.delivery AS m ON m.practice_id = d.practice_id AND m.episode_id = d.episode_id
    AND m.revision = d.revision AND m.channel = d.channel
ORDER BY {pages.order("d")}
"""

CAPABILITIES = capability_statement(
    "Rapport: notifier",
    "Serves what therapists were told.",
    resources=[{"type": "Communication", "interaction": [{"code": "search-type"}]}],
)


def communication_router(
    pool: AsyncConnectionPool[Connection], credentials: CredentialStore, clock: Clock
) -> APIRouter:
    """Return the router with the search."""
    router = tenant_router(credentials, SCOPE, prefix=PREFIX, tag="fhir", responses=FHIR_RESPONSES)

    @router.get(
        "/Communication",
        response_class=FhirResponse,
        responses=published_bundle("A searchset with a Communication for each change told on a channel"),
    )
    async def communications(
        practice: Tenant,
        key_id: KeyId,
        after: Annotated[str | None, Query(max_length=100)] = None,
        count: Annotated[int, Query(ge=1, le=1000, alias="_count")] = 100,
    ) -> FhirResponse:
        """List what therapists were told, in the order in which it was decided.

        No page skips one that commits later. The link `next` is absent when the page is empty: ask again
        later with the same `after`. What was held back, and why, is in `/v1/notifications`.
        """
        start = paging.decode_cursor(after)
        parameters = {"practice": practice, "told": DecisionOutcome.TOLD.value, "limit": count}
        async with connection_for(pool, practice) as conn:
            position = await pages.page_parameters(conn, start, "notifier")
            rows = await (await conn.execute(_PAGE, {**parameters, **position})).fetchall()
            if rows:
                await log_decisions_read(conn, practice, key_id, {row[2] for row in rows}, clock.now())
        following = paging.encode_cursor(paging.Cursor(int(rows[-1][0]), rows[-1][1])) if rows else None
        found = (communication_of(row[2:]) for row in rows)
        return FhirResponse(searchset("Communication", found, {"_count": count, "after": after}, following))

    return router


def communication_of(row: Sequence[Any]) -> dict[str, Any]:
    """Return the Communication of a decision; the fields are those of the page, from the episode on."""
    episode, revision, change, channel, reason, therapist_id, client_id, decided_at, state, finished_at = row
    reached = DeliveryState.SENT if channel == Channel.INBOX.value else DeliveryState(state or "cancelled")
    sent_at = decided_at if channel == Channel.INBOX.value else finished_at
    communication: dict[str, Any] = {
        "resourceType": "Communication",
        "id": str(communication_id(episode, revision, channel)),
        "identifier": [{"system": names.MESSAGE, "value": f"{episode}/{revision}/{channel}"}],
        "status": _STATUS[reached],
        "category": [own_concept(DecisionReason(reason).value)],
        "medium": [own_concept(channel)],
        "subject": client(client_id),
        "topic": own_concept(change),
        "about": [{"identifier": {"system": names.EPISODE, "value": str(episode)}}],
        "recipient": [therapist(therapist_id)],
        "payload": [{"contentString": _TEXT}],
    }
    if reached is DeliveryState.SENT:
        communication["sent"] = sent_at.isoformat()
    return communication
