"""Builds the OpenAPI document from the routes, their texts and the models of bodies."""

import json
from typing import Any, Literal

from fastapi import FastAPI
from fastapi.openapi.utils import get_openapi
from pydantic import BaseModel, ConfigDict, Field
from pydantic.json_schema import models_json_schema

from schemas.rating import RatingBody
from services.ingest.openapi import texts
from services.ingest.refusal import RefusalReason
from services.runtime.http import sandbox_header
from services.runtime.http.problem import ErrorInField, ProblemBody

_REF = "#/components/schemas/{model}"


class AcceptedRating(BaseModel):
    """A rating that is stored durably."""

    id: str = Field(description="The rating's id: the one sent, or one derived from the content.")
    status: Literal["accepted"]
    status_url: str = Field(description="Where to ask for the rating's status and assessment.")


class ComponentScores(BaseModel):
    """A score for each component of the instrument; null where too many items are unanswered."""

    bond: float | None = None
    goal: float | None = None
    task: float | None = None
    overall: float | None = None


class ValidRating(BaseModel):
    """A rating that would be accepted (dry run)."""

    id: str
    status: Literal["valid"]
    scores: ComponentScores | None = Field(description="From 0 to 1, 1 the best; null without marks.")
    in_units: ComponentScores | None = Field(description="The same scores in the instrument's units.")


class LineResult(BaseModel):
    """The result of one line of a batch."""

    model_config = ConfigDict(use_enum_values=True)

    line: int = Field(description="The line's number in the batch, from 1, counting blank lines.")
    status: Literal["accepted", "valid", "refused", "retry", "stopped"]
    id: str | None = Field(None, description="The rating's id; absent when the line was refused.")
    reason: RefusalReason | None = None
    detail: str | None = None
    errors: list[ErrorInField] | None = None
    retry_after: int | None = Field(None, description="Seconds to wait before sending the line again.")
    scores: ComponentScores | None = None
    in_units: ComponentScores | None = None


_BODIES: tuple[type[BaseModel], ...] = (RatingBody, AcceptedRating, ValidRating, ProblemBody, LineResult)
_PUBLISHED_NAMES = {
    "RatingBody": "Rating",
    "AcceptedRating": "Accepted",
    "ValidRating": "Valid",
    "ProblemBody": "Problem",
    "RefusalReason": "Reason",
}
"""Where the document names a schema otherwise than the class: clients generate their types from its names."""


def openapi(app: FastAPI) -> dict[str, Any]:
    """Return the application's document."""
    document = get_openapi(
        title=texts.TITLE,
        version=app.version,
        summary="Receives clients' ratings of therapy sessions.",
        description=texts.ABOUT,
        routes=app.routes,
        license_info={"name": "Apache-2.0", "identifier": "Apache-2.0"},
        servers=[{"url": "/"}],
        tags=[
            {"name": "ratings", "description": "Send ratings, one or many."},
            {
                "name": "fhir",
                "description": "Send ratings as FHIR R4 resources; errors are OperationOutcomes.",
            },
            {"name": "instruments", "description": "The instruments that a rating may name."},
        ],
    )
    document.setdefault("components", {}).setdefault("schemas", {}).update(_body_schemas())
    document["components"]["securitySchemes"] = {
        "key": {
            "type": "http",
            "scheme": "bearer",
            "description": "A practice's key, or a network's key together with `Rapport-Practice`."
            f" {sandbox_header.DESCRIPTION}",
        }
    }
    return document


def _body_schemas() -> dict[str, Any]:
    models: list[tuple[type[BaseModel], Literal["validation"]]] = [(body, "validation") for body in _BODIES]
    _, definitions = models_json_schema(models, ref_template=_REF)
    text = json.dumps(definitions["$defs"])
    for name, published in _PUBLISHED_NAMES.items():
        text = text.replace(f'"{_REF.format(model=name)}"', f'"{_REF.format(model=published)}"')
    return {_PUBLISHED_NAMES.get(name, name): schema for name, schema in json.loads(text).items()}
