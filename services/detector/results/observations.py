"""GET /v1/fhir/Observation: a practice's assessments as FHIR Observations."""

import base64
import binascii
import struct
from datetime import UTC, datetime, timedelta
from typing import Annotated, Any
from uuid import UUID

from fastapi import APIRouter, Query

from schemas.ids import Dyad, DyadId, InstrumentId, RatingIdentity, SessionId
from services.detector.contracts import unpack_numbers
from services.detector.published.events import published_assessment
from services.detector.results.dependencies import SCOPE, Pool
from services.detector.results.observation import observation_of
from services.detector.storage.audit_log import ReadAction, log_read
from services.detector.storage.stored_numbers import InColumns, published_numbers
from services.runtime.http.capability import capability_statement
from services.runtime.http.credentials import CredentialStore
from services.runtime.http.operation_outcome import FHIR_RESPONSES, PREFIX
from services.runtime.http.problem import FieldError, Problem
from services.runtime.http.searchset import FhirResponse, published_bundle, searchset
from services.runtime.http.tenant_auth import KeyId, Tenant, tenant_router
from services.runtime.postgres.former_names import Party, current_name
from services.runtime.postgres.tenant_guard import connection_for

_FOUND = """
SELECT a.session_at, a.dyad_id, a.practice_id, d.therapist_id, d.client_id, d.case_id, a.session_id,
    a.instrument, a.revision, a.numbers, a.rating_id, a.session_at, a.model_version, a.risk, a.threshold
FROM detector.assessment a JOIN detector.dyad d ON d.practice_id = a.practice_id AND d.dyad_id = a.dyad_id
JOIN detector.rating r ON r.practice_id = a.practice_id AND r.rating_id = a.rating_id AND NOT r.measure
"""
# All of a client's instruments at one session come on one page: a cursor then needs no id of the practice.
_PAGE = """
AND (a.session_at, a.dyad_id) > (%(at)s, %(dyad)s)
ORDER BY a.session_at, a.dyad_id FETCH FIRST (%(limit)s::bigint) ROWS WITH TIES
"""
_OF_PRACTICE = f"{_FOUND} WHERE a.practice_id = %(practice)s {_PAGE}"
_OF_CLIENT = f"{_FOUND} WHERE d.practice_id = %(practice)s AND d.client_id = %(client)s {_PAGE}"
_START = (datetime(1970, 1, 1, tzinfo=UTC), UUID(int=0))
_POSITION = struct.Struct(">q16s")
_MICROSECOND = timedelta(microseconds=1)

CAPABILITIES = capability_statement(
    "Rapport: results",
    "Serves the assessments of clients' ratings.",
    resources=[
        {
            "type": "Observation",
            "interaction": [{"code": "search-type"}],
            "searchParam": [{"name": "subject", "type": "string"}],
        }
    ],
)


def observation_router(pool: Pool, credentials: CredentialStore) -> APIRouter:
    """Return the router with the search."""
    router = tenant_router(credentials, SCOPE, prefix=PREFIX, tag="fhir", responses=FHIR_RESPONSES)

    @router.get(
        "/Observation",
        response_class=FhirResponse,
        responses=published_bundle("A searchset with an Observation for each assessment"),
    )
    async def observations(
        practice: Tenant,
        key_id: KeyId,
        subject: Annotated[
            str | None, Query(max_length=128, description="The client's reference, as in the ratings.")
        ] = None,
        after: Annotated[str | None, Query(max_length=100)] = None,
        count: Annotated[int, Query(ge=1, le=1000, alias="_count")] = 100,
    ) -> FhirResponse:
        """Return the current assessments, of one client or of all, in the order of their sessions.

        `Bundle.link` with the relation `next` leads on; it is absent on the last page. A page holds more than
        `_count` where a client's session has several instruments. An assessment that changes keeps its `id`
        and gets a new `meta.versionId`.
        """
        at, dyad = _decoded(after)
        parameters: dict[str, Any] = {"practice": practice, "at": at, "dyad": dyad, "limit": count}
        async with connection_for(pool, practice) as conn:
            if subject is None:
                found = await conn.execute(_OF_PRACTICE, parameters)
            else:
                client = subject.removeprefix("Patient/")
                current = await current_name(conn, "detector", Party.CLIENT, practice, client)
                found = await conn.execute(_OF_CLIENT, {**parameters, "client": current})
            rows = await found.fetchall()
            await log_read(conn, practice, key_id, ReadAction.ASSESSMENTS_READ, {row[1] for row in rows})
        following = _encoded(rows[-1][0], rows[-1][1]) if len(rows) >= count else None
        query = {"subject": subject, "_count": count, "after": after}
        return FhirResponse(searchset("Observation", map(_observation, rows), query, following))

    return router


def _observation(row: tuple[Any, ...]) -> dict[str, Any]:
    _, dyad, practice, therapist, client, case, session, instrument, revision, kept, *columns = row
    who = Dyad(practice, therapist, client, case)
    identity = RatingIdentity(practice, client, SessionId(session), InstrumentId(instrument))
    numbers = unpack_numbers(published_numbers(kept, InColumns(*columns)))
    return observation_of(DyadId(dyad), who, identity, published_assessment(who, identity, revision, numbers))


def _encoded(at: datetime, dyad: UUID) -> str:
    position = _POSITION.pack((at - _START[0]) // _MICROSECOND, dyad.bytes)
    return base64.urlsafe_b64encode(position).rstrip(b"=").decode()


def _decoded(text: str | None) -> tuple[datetime, UUID]:
    if not text:
        return _START
    try:
        padded = text.encode("ascii") + b"=" * (-len(text) % 4)
        microseconds, dyad = _POSITION.unpack(base64.b64decode(padded, altchars=b"-_", validate=True))
        return _START[0] + microseconds * _MICROSECOND, UUID(bytes=dyad)
    except (binascii.Error, struct.error, UnicodeEncodeError, OverflowError):
        error = FieldError("after", "not a cursor", "the one of the `next` link before, unchanged")
        raise Problem(400, "Not a cursor", errors=[error]) from None
