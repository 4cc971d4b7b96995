"""Exports the contracts as JSON Schema, AsyncAPI and OpenAPI, and checks that the files are up to date."""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from pydantic import BaseModel

from schemas.asyncapi import asyncapi, required_envelope
from schemas.envelope import EVENTS
from schemas.rating import RatingBody

PUBLISHED = Path(__file__).parent / "published"
"""The folder of the documents in this package."""

DIALECT = "https://json-schema.org/draft/2020-12/schema"
_OPENAPI_PREFIX = "openapi-"

Document = dict[str, Any]


def documents(additional: Mapping[str, Document] | None = None) -> dict[str, Document]:
    """Return every document by its path in the folder.

    `additional` are the OpenAPI documents of services, by service: `{"ingest": app.openapi()}`.
    """
    result: dict[str, Document] = {"rating.v1.json": _schema("urn:rapport:rating.v1", RatingBody)}
    for kind, event in EVENTS.items():
        result[f"events/{kind}.json"] = required_envelope(_schema(f"urn:rapport:{kind}", event))
    result["asyncapi.json"] = asyncapi()
    for name, document in (additional or {}).items():
        result[f"{_OPENAPI_PREFIX}{name}.json"] = document
    return result


def export(folder: Path, additional: Mapping[str, Document] | None = None) -> list[Path]:
    """Write every document into `folder`, and remove those that no longer exist.

    Without `additional`, the services' OpenAPI documents in the folder stay as they are.
    """
    written = []
    for name, document in documents(additional).items():
        file = folder / name
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(to_text(document), encoding="utf-8")
        written.append(file)
    for name in _left_over(folder, additional):
        (folder / name).unlink()
    return written


def check(folder: Path, additional: Mapping[str, Document] | None = None) -> list[str]:
    """Return how the documents in `folder` differ from the code, one sentence for each that does."""
    drifts = []
    for name, document in documents(additional).items():
        file = folder / name
        if not file.is_file():
            drifts.append(f"{name} is missing: run `rapport schemas export`")
        elif file.read_text(encoding="utf-8") != to_text(document):
            drifts.append(f"{name} differs from the code: run `rapport schemas export` and review the change")
    drifts += [
        f"{name} is published, but no longer defined in the code: run `rapport schemas export`"
        for name in _left_over(folder, additional)
    ]
    return drifts


def to_text(document: Document) -> str:
    """Return a document as the text of its file."""
    return json.dumps(document, indent=2, ensure_ascii=False) + "\n"


def read_folder(folder: Path) -> dict[str, Document]:
    """Return the documents in `folder`, by path."""
    return {
        file.relative_to(folder).as_posix(): json.loads(file.read_text(encoding="utf-8"))
        for file in sorted(folder.rglob("*.json"))
    }


def _left_over(folder: Path, additional: Mapping[str, Document] | None) -> list[str]:
    known = documents(additional)
    return [
        name
        for file in sorted(folder.rglob("*.json"))
        if (name := file.relative_to(folder).as_posix()) not in known
        and not (additional is None and name.startswith(_OPENAPI_PREFIX))
    ]


def _schema(identifier: str, model: type[BaseModel]) -> Document:
    return {"$schema": DIALECT, "$id": identifier, **model.model_json_schema()}
