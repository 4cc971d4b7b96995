"""Makes the parts that Rapport's own resources share: codes, and references to whom a practice has named."""

from typing import Any

from schemas.fhir import names


def concept(system: str, code: str, display: str | None = None) -> dict[str, Any]:
    """Return a CodeableConcept with one code."""
    coding = {"system": system, "code": code}
    if display is not None:
        coding["display"] = display
    return {"coding": [coding]}


def own_concept(code: str, display: str | None = None) -> dict[str, Any]:
    """Return a CodeableConcept of Rapport's own code system."""
    return concept(names.CODES, code, display)


def named(kind: str, system: str, value: str) -> dict[str, Any]:
    """Return a reference to a resource of the practice by the identifier that it was sent with."""
    return {"type": kind, "identifier": {"system": system, "value": value}}


def client(client_id: str) -> dict[str, Any]:
    """Return a reference to a client."""
    return named("Patient", names.CLIENT, client_id)


def therapist(therapist_id: str) -> dict[str, Any]:
    """Return a reference to a therapist."""
    return named("Practitioner", names.THERAPIST, therapist_id)
