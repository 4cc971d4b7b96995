"""Describes what a service's FHIR routes can do, as a CapabilityStatement."""

from collections.abc import Mapping, Sequence
from typing import Any

from fastapi import APIRouter

from services.runtime.http.operation_outcome import PREFIX
from services.runtime.http.problem import EDGE_RESPONSES
from services.runtime.http.searchset import FhirResponse, published_resource

FHIR_VERSION = "4.0.1"
PUBLISHED = "2026-11-29"
"""When the statements last changed."""


def capability_statement(
    title: str,
    description: str,
    *,
    resources: Sequence[Mapping[str, Any]],
    interactions: Sequence[Mapping[str, str]] = (),
) -> dict[str, Any]:
    """Return the statement of a server whose requests carry a practice's key."""
    security = {"description": "Authorization: Bearer <key>; a network's key also needs Rapport-Practice."}
    rest: dict[str, Any] = {"mode": "server", "security": security, "resource": list(resources)}
    if interactions:
        rest["interaction"] = list(interactions)
    return {
        "resourceType": "CapabilityStatement",
        "status": "active",
        "date": PUBLISHED,
        "kind": "instance",
        "software": {"name": title},
        "implementation": {"description": description},
        "fhirVersion": FHIR_VERSION,
        "format": ["json"],
        "rest": [rest],
    }


def capability_router(statement: Mapping[str, Any]) -> APIRouter:
    """Return the router that serves this statement; it needs no key."""
    router = APIRouter(prefix=PREFIX, tags=["fhir"])

    @router.get(
        "/metadata",
        response_class=FhirResponse,
        responses={200: published_resource("What is served", "CapabilityStatement"), **EDGE_RESPONSES},
    )
    async def metadata() -> FhirResponse:
        """Return what these FHIR routes can do."""
        return FhirResponse(statement)

    return router
