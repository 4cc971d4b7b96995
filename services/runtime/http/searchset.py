"""Puts FHIR resources into the bundle that answers a search."""

from collections.abc import Iterable, Mapping
from typing import Any
from urllib.parse import urlencode

from fastapi.responses import JSONResponse

from services.runtime.http.operation_outcome import MEDIA_TYPE, PREFIX


class FhirResponse(JSONResponse):
    """A resource, or a bundle of them, in JSON."""

    media_type = MEDIA_TYPE


def published_bundle(description: str) -> dict[int | str, dict[str, Any]]:
    """Return the response 200 of a search, for the OpenAPI document."""
    return {200: published_resource(description, "Bundle")}


def published_resource(description: str, kind: str) -> dict[str, Any]:
    """Return a response of the OpenAPI document whose body is a resource of this type."""
    return {"description": description, "content": {MEDIA_TYPE: {"schema": resource_schema(kind)}}}


def resource_schema(kind: str) -> dict[str, Any]:
    """Return what the OpenAPI document says of a resource of this type; FHIR defines the rest."""
    return {
        "type": "object",
        "required": ["resourceType"],
        "properties": {"resourceType": {"const": kind}},
    }


def searchset(
    kind: str, resources: Iterable[Mapping[str, Any]], query: Mapping[str, object], after: str | None
) -> dict[str, Any]:
    """Return a page of what was found by `query`; `after` is the cursor of the next page."""
    entries = [
        {"fullUrl": f"urn:uuid:{each['id']}", "resource": each, "search": {"mode": "match"}}
        for each in resources
    ]
    bundle: dict[str, Any] = {"resourceType": "Bundle", "type": "searchset"}
    bundle["link"] = [{"relation": "self", "url": _address(kind, query)}]
    if after is not None:
        bundle["link"].append({"relation": "next", "url": _address(kind, {**query, "after": after})})
    if entries:
        bundle["entry"] = entries
    return bundle


def _address(kind: str, query: Mapping[str, object]) -> str:
    given = {name: value for name, value in query.items() if value is not None}
    return f"{PREFIX}/{kind}?{urlencode(given)}" if given else f"{PREFIX}/{kind}"
