"""The OpenAPI document: routes and their words in, one self-contained description out."""

from typing import Any, Literal

from fastapi import FastAPI
from fastapi.openapi.utils import get_openapi
from pydantic import BaseModel, ConfigDict, Field
from pydantic.json_schema import models_json_schema

from schemas.rating import RatingBody
from services.ingest.openapi import texts
from services.ingest.refusal import Reason

_REF = "#/components/schemas/{model}"


class Accepted(BaseModel):
    """A rating that is stored durably."""

    id: str = Field(description="The rating's id: its own, or the one that follows from its content.")
    status: Literal["accepted"]
    status_url: str = Field(description="Where to ask what became of it.")


class ComponentScores(BaseModel):
    """A score for each component the instrument asks for; null where too much was unanswered."""

    bond: float | None = None
    goal: float | None = None
    task: float | None = None
    overall: float | None = None


class Valid(BaseModel):
    """A rating that would be accepted."""

    id: str
    status: Literal["valid"]
    scores: ComponentScores | None = Field(description="From 0 to 1, 1 the best; null without marks.")
    in_units: ComponentScores | None = Field(description="The same in the instrument's units.")


class ErrorInField(BaseModel):
    """One thing that is wrong. Never holds a value that was sent."""

    field: str
    message: str
    expected: str | None = None


class Problem(BaseModel):
    """An error (RFC 9457): what was wrong and what to do."""

    type: str = Field(description="`about:blank`, or the reason as a URN.")
    title: str
    status: int
    detail: str | None = None
    errors: list[ErrorInField] | None = None


class LineResult(BaseModel):
    """What became of one line of a batch."""

    model_config = ConfigDict(use_enum_values=True)

    line: int = Field(description="Its number in what was sent, from 1, blank lines counted.")
    status: Literal["accepted", "valid", "refused", "retry", "stopped"]
    id: str | None = Field(None, description="The rating's id; absent when the line was refused.")
    reason: Reason | None = None
    detail: str | None = None
    errors: list[ErrorInField] | None = None
    retry_after: int | None = Field(None, description="Seconds to wait before sending the line again.")
    scores: ComponentScores | None = None
    in_units: ComponentScores | None = None


def openapi(app: FastAPI) -> dict[str, Any]:
    """The document of the application."""
    document = get_openapi(
        title=texts.TITLE,
        version=app.version,
        summary="Takes in clients' ratings of therapy sessions.",
        description=texts.ABOUT,
        routes=app.routes,
        license_info={"name": "Apache-2.0", "identifier": "Apache-2.0"},
        servers=[{"url": "/"}],
        tags=[
            {"name": "ratings", "description": "Send ratings, one or many."},
            {"name": "instruments", "description": "What a rating may name."},
        ],
    )
    _, definitions = models_json_schema(
        [(model, "validation") for model in (RatingBody, Accepted, Valid, Problem, LineResult)],
        ref_template=_REF,
    )
    schemas = document.setdefault("components", {}).setdefault("schemas", {})
    schemas |= {name.replace("RatingBody", "Rating"): each for name, each in definitions["$defs"].items()}
    document["components"]["securitySchemes"] = {
        "key": {
            "type": "http",
            "scheme": "bearer",
            "description": "A practice's key, or a network's key together with `Rapport-Practice`.",
        }
    }
    return document
