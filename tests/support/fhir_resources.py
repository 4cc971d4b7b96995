"""FHIR resources as a record system sends them, each to be varied by the test that uses it."""

import copy
import json
from collections.abc import Mapping
from typing import Any

from schemas.fhir.names import THERAPIST_EXTENSION
from schemas.fhir.response_rating import ResponseRating, decode_response, read_response
from schemas.instruments.catalogue import Catalogue
from schemas.validation_errors import InvalidInput, Violation

RESPONSE: Mapping[str, Any] = {
    "resourceType": "QuestionnaireResponse",
    "identifier": {"system": "urn:example:responses", "value": "r-1"},
    "questionnaire": "urn:rapport:fhir:questionnaire:srs",
    "status": "completed",
    "subject": {"reference": "Patient/c-7f3a91"},
    "encounter": {"reference": "Encounter/s-1"},
    "authored": "2026-11-20T10:00:00+01:00",
    "author": {"reference": "Practitioner/t-12"},
    "item": [
        {"linkId": str(number), "answer": [{"valueDecimal": mark}]}
        for number, mark in enumerate([9.2, 8.8, 9.0, 9.1], start=1)
    ],
}
SESSION_CLASS = {"system": "http://terminology.hl7.org/CodeSystem/v3-ActCode", "code": "AMB"}


def response(*without: str, **changed: object) -> dict[str, Any]:
    """A response without some of its elements, and with others."""
    kept = {name: copy.deepcopy(value) for name, value in RESPONSE.items() if name not in without}
    return kept | changed


def answered(*values: Mapping[str, Any] | None) -> list[dict[str, Any]]:
    """The items of a form, from one value[x] for each; None leaves a question unanswered."""
    return [
        {"linkId": str(number)} | ({} if value is None else {"answer": [dict(value)]})
        for number, value in enumerate(values, start=1)
    ]


def bundle(*resources: Mapping[str, Any], type_: str = "batch") -> dict[str, Any]:
    """A bundle that asks to create these resources; `fullUrl` beside a resource becomes that of its entry."""
    entries = []
    for resource in resources:
        content = dict(resource)
        entry: dict[str, Any] = {}
        if "fullUrl" in content:
            entry["fullUrl"] = content.pop("fullUrl")
        entry["resource"] = content
        if type_ in {"batch", "transaction"}:
            entry["request"] = {"method": "POST", "url": content["resourceType"]}
        entries.append(entry)
    return {"resourceType": "Bundle", "type": type_, "entry": entries}


def encounter(**changed: object) -> dict[str, Any]:
    """A session with its therapist and its time."""
    return {
        "resourceType": "Encounter",
        "id": "s-1",
        "status": "finished",
        "class": SESSION_CLASS,
        "period": {"start": "2026-11-20T09:00:00+01:00"},
        "participant": [{"individual": {"reference": "Practitioner/t-99"}}],
        **changed,
    }


def therapist_extension(value: str) -> dict[str, Any]:
    """The extension that names the therapist."""
    return {"url": THERAPIST_EXTENSION, "valueIdentifier": {"value": value}}


def read(sent: Mapping[str, Any], catalogue: Catalogue | None = None) -> ResponseRating:
    """The rating that a response means."""
    return read_response(decode_response(json.dumps(sent)), catalogue or Catalogue.load())


def faults(sent: Mapping[str, Any], catalogue: Catalogue | None = None) -> tuple[Violation, ...]:
    """Why a response is refused; nothing when it is not."""
    try:
        read(sent, catalogue)
    except InvalidInput as invalid:
        return invalid.violations
    return ()
