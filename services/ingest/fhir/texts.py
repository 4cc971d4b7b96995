"""Texts and examples of the FHIR routes, for the OpenAPI document and its page."""

from typing import Any

from schemas.fhir.names import CLIENT, MEDIA_TYPE, SESSION, THERAPIST, THERAPIST_EXTENSION
from services.ingest.openapi.texts import CALLER
from services.ingest.stages.respond_outcome import ACCEPTED, ONLY_READ
from services.runtime.http.operation_outcome import information, published_outcome, status_line
from services.runtime.http.problem import EDGE_RESPONSES
from services.runtime.http.searchset import FhirResponse, published_resource, resource_schema

RESPONSE: dict[str, Any] = {
    "resourceType": "QuestionnaireResponse",
    "identifier": {"system": "urn:example:responses", "value": "r-100023"},
    "questionnaire": "urn:rapport:fhir:questionnaire:srs",
    "status": "completed",
    "subject": {"type": "Patient", "identifier": {"system": CLIENT, "value": "c-7f3a91"}},
    "encounter": {"type": "Encounter", "identifier": {"system": SESSION, "value": "s-100023"}},
    "authored": "2026-11-20T10:52:00+01:00",
    "extension": [
        {"url": THERAPIST_EXTENSION, "valueIdentifier": {"system": THERAPIST, "value": "t-12"}},
    ],
    "item": [
        {"linkId": "1", "answer": [{"valueDecimal": 9.2}]},
        {"linkId": "2", "answer": [{"valueDecimal": 8.8}]},
        {"linkId": "3", "answer": [{"valueDecimal": 9.0}]},
        {"linkId": "4", "answer": [{"valueDecimal": 9.1}]},
    ],
}
DECLINED = {key: value for key, value in RESPONSE.items() if key != "item"} | {"status": "stopped"}
BUNDLE: dict[str, Any] = {
    "resourceType": "Bundle",
    "type": "batch",
    "entry": [
        {
            "fullUrl": "urn:uuid:5f0c2f7e-9f43-4a37-8f53-1d5a8f6b7c21",
            "resource": RESPONSE,
            "request": {"method": "POST", "url": "QuestionnaireResponse"},
        },
        {
            "fullUrl": "urn:uuid:7d6a4f0e-3a0b-4a57-9b0e-6d1f2c3b4a59",
            "resource": {
                "resourceType": "Encounter",
                "identifier": [{"system": SESSION, "value": "s-100024"}],
                "status": "finished",
                "class": {
                    "system": "http://terminology.hl7.org/CodeSystem/v3-ActCode",
                    "code": "AMB",
                },
                "period": {"start": "2026-11-27T10:00:00+01:00"},
                "participant": [
                    {
                        "individual": {
                            "type": "Practitioner",
                            "identifier": {"system": THERAPIST, "value": "t-12"},
                        }
                    }
                ],
            },
            "request": {"method": "POST", "url": "Encounter"},
        },
    ],
}
_STATUS_URL = "/v1/ratings/r-100023"


def _returned(description: str, kind: str, example: dict[str, Any] | None = None) -> dict[str, Any]:
    response = published_resource(description, kind)
    if example is not None:
        response["content"][MEDIA_TYPE]["example"] = example
    return response


_ERRORS: dict[int | str, dict[str, Any]] = {
    400: published_outcome("Not JSON, or a network's key without `Rapport-Practice`"),
    401: published_outcome("Not authenticated: no key, or none that is valid now"),
    403: published_outcome("Not allowed: the key lacks the scope ratings:write"),
    404: published_outcome("Not found: this key is not valid for the practice in `Rapport-Practice`"),
    408: published_outcome("Too slow: the body did not arrive in time", at_edge=True),
    413: published_outcome("Too large: send a smaller bundle"),
    415: published_outcome(f"Content type not supported: send `{MEDIA_TYPE}`"),
    422: published_outcome("Not a rating: each issue names the element and what is expected"),
    429: published_outcome("Too many: wait for the seconds in `Retry-After`", at_edge=True, retry=True),
    431: EDGE_RESPONSES[431],
    503: published_outcome("Not stored: send it again, it counts once", retry=True),
}

SEND_RESPONSE: dict[str, Any] = {
    "summary": "Send one QuestionnaireResponse",
    "tags": ["fhir"],
    "status_code": 202,
    "response_class": FhirResponse,
    "responses": {
        200: _returned("Valid (only with `dry_run`)", "OperationOutcome"),
        202: _returned("Accepted: stored durably as a rating", "OperationOutcome", information(ACCEPTED))
        | {
            "headers": {
                "Location": {
                    "description": "Where to ask for the rating's status and assessment.",
                    "schema": {"type": "string"},
                }
            }
        },
        **_ERRORS,
    },
    "openapi_extra": CALLER
    | {
        "requestBody": {
            "required": True,
            "content": {
                MEDIA_TYPE: {
                    "schema": resource_schema("QuestionnaireResponse"),
                    "examples": {
                        "rated": {"summary": "A form with four marks", "value": RESPONSE},
                        "declined": {"summary": "The client gave no form", "value": DECLINED},
                    },
                }
            },
        }
    },
}

SEND_BUNDLE: dict[str, Any] = {
    "summary": "Send many QuestionnaireResponses",
    "tags": ["fhir"],
    "response_class": FhirResponse,
    "responses": {
        200: _returned(
            "One entry for each that was sent, in the same order",
            "Bundle",
            {
                "resourceType": "Bundle",
                "type": "batch-response",
                "entry": [
                    {
                        "response": {
                            "status": status_line(202),
                            "location": _STATUS_URL,
                            "outcome": information(ACCEPTED),
                        }
                    },
                    {"response": {"status": status_line(200), "outcome": information(ONLY_READ)}},
                ],
            },
        ),
        **_ERRORS,
    },
    "openapi_extra": CALLER
    | {
        "requestBody": {
            "required": True,
            "description": "A Bundle of type `transaction`, `batch` or `collection`.",
            "content": {MEDIA_TYPE: {"schema": resource_schema("Bundle"), "example": BUNDLE}},
        }
    },
}

METADATA: dict[str, Any] = {
    "summary": "Say what the FHIR routes can do",
    "tags": ["fhir"],
    "response_class": FhirResponse,
    "responses": {200: _returned("What is served", "CapabilityStatement"), **EDGE_RESPONSES},
}
