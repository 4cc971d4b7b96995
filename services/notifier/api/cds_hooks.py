"""The CDS Hooks service: a record system that opens a client's record gets a card that leads to the item."""

from collections.abc import Callable
from typing import Annotated, Literal
from uuid import UUID, uuid5

from fastapi import APIRouter
from psycopg_pool import AsyncConnectionPool
from pydantic import BaseModel, ConfigDict, Field

from schemas.rating import Reference
from schemas.wording.wording import Wording
from services.notifier.directory.store import Connection, find_therapist
from services.notifier.domain.inbox_item import OPEN
from services.notifier.inbox.audit_log import log_decisions_read
from services.runtime.http.credentials import CredentialStore
from services.runtime.http.tenant_auth import WITH_BODY, KeyId, Tenant, tenant_router
from services.runtime.postgres.former_names import Party, current_name
from services.runtime.postgres.tenant_guard import connection_for
from services.runtime.process.clock import Clock
from services.runtime.process.sandbox import is_sandbox

SCOPE = "results:read"
PREFIX = "/cds-services"
SERVICE = "rapport-to-review"
_WAITING = """
SELECT episode_id FROM notifier.item
WHERE practice_id = %s AND therapist_id = %s AND client_id = ANY(%s) AND state = ANY(%s) AND answer IS NULL
ORDER BY changed_at DESC LIMIT 1
"""
_MOST_IDENTIFIERS = 20


class OfferedService(BaseModel):
    """One service, as CDS Hooks describes it."""

    hook: Literal["patient-view"]
    id: str
    title: str
    description: str
    prefetch: dict[str, str]


class OfferedServices(BaseModel):
    """The services that are offered."""

    services: list[OfferedService]


class PatientIdentifier(BaseModel):
    """One identifier of the patient."""

    value: Reference | None = None


class PrefetchedPatient(BaseModel):
    """The patient's record, of which only the identifiers are read."""

    identifier: Annotated[list[PatientIdentifier], Field(max_length=_MOST_IDENTIFIERS)] = []


class Prefetch(BaseModel):
    """What the record system sends along."""

    patient: PrefetchedPatient | None = None


class HookContext(BaseModel):
    """Who opened whose record."""

    model_config = ConfigDict(use_attribute_docstrings=True)

    userId: Reference  # noqa: N815 - the name in CDS Hooks
    """The therapist, such as `Practitioner/t-12`."""
    patientId: Reference  # noqa: N815 - the same
    """The client's id in the record system."""


class HookRequest(BaseModel):
    """A call of the hook `patient-view`."""

    hook: Literal["patient-view"]
    hookInstance: UUID  # noqa: N815 - the name in CDS Hooks
    context: HookContext
    prefetch: Prefetch | None = None


class CardSource(BaseModel):
    """Who speaks."""

    label: str


class CardLink(BaseModel):
    """Where the card leads."""

    label: str
    url: str
    type: Literal["absolute"] = "absolute"


class Card(BaseModel):
    """One card: that there is something to look at, and nothing about what."""

    uuid: UUID
    summary: str
    indicator: Literal["info"] = "info"
    source: CardSource
    links: list[CardLink]


class Cards(BaseModel):
    """At most one card."""

    cards: list[Card]


def discovery_router() -> APIRouter:
    """Return the router that lists the service; it needs no key."""
    router = APIRouter(tags=["cds hooks"])
    services = OfferedServices(
        services=[
            OfferedService(
                hook="patient-view",
                id=SERVICE,
                title="Rapport: something to look at before the next session",
                description="Shows the therapist of a client a card while an item waits for them.",
                prefetch={"patient": "Patient/{{context.patientId}}"},
            )
        ]
    )

    @router.get(PREFIX)
    async def discovery() -> OfferedServices:
        """List the service, as CDS Hooks asks for it."""
        return services

    return router


def card_router(
    pool: AsyncConnectionPool[Connection],
    credentials: CredentialStore,
    item_url: Callable[[UUID], str],
    wording_of: Callable[[str], Wording],
    clock: Clock,
) -> APIRouter:
    """Return the router with the service; the functions give an item's address, and a locale's wording."""
    router = tenant_router(credentials, SCOPE, prefix=PREFIX, tag="cds hooks")

    @router.post(f"/{SERVICE}", responses=WITH_BODY)
    async def to_review(call: HookRequest, practice: Tenant, key_id: KeyId) -> Cards:
        """Return a card while an item about this client waits for an answer of this therapist; else none.

        The card says nothing about the item, which the therapist reads after signing in. Others than the
        item's therapist get no card, and neither do therapists who asked for quiet.
        """
        user = call.context.userId.rpartition("/")[2]
        patients = {call.context.patientId.rpartition("/")[2]}
        if call.prefetch is not None and call.prefetch.patient is not None:
            patients |= {each.value for each in call.prefetch.patient.identifier if each.value}
        async with connection_for(pool, practice) as conn:
            therapist_id = await current_name(conn, "notifier", Party.THERAPIST, practice, user)
            therapist = await find_therapist(conn, practice, therapist_id)
            if therapist is None or therapist.quiet:
                return Cards(cards=[])
            clients = [
                await current_name(conn, "notifier", Party.CLIENT, practice, name)
                for name in sorted(patients)
            ]
            states = [state.value for state in OPEN]
            found = await conn.execute(_WAITING, (practice, therapist_id, clients, states))
            row = await found.fetchone()
            if row is None:
                return Cards(cards=[])
            await log_decisions_read(conn, practice, key_id, {row[0]}, clock.now())
        wording = wording_of(therapist.reading_locale)
        summary = wording("mail.review.sentence")
        if is_sandbox(practice):
            summary = wording("sandbox.subject", subject=summary)
        card = Card(
            uuid=uuid5(row[0], "card"),
            summary=summary,
            source=CardSource(label=wording("page.product")),
            links=[CardLink(label=wording("mail.review.button"), url=item_url(row[0]))],
        )
        return Cards(cards=[card])

    return router
