"""The OpenAPI document of ingest, as it is published: nothing is connected for it."""

from typing import Any

from services.ingest.app import application


def document() -> dict[str, Any]:
    """The document."""
    return application().openapi()
