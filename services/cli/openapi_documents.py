"""Collects the OpenAPI documents of the installed services."""

from typing import Any

from services.cli.plugins import installed


def openapi_documents() -> dict[str, dict[str, Any]]:
    """Return the OpenAPI document of each service that publishes one, by the service's name."""
    return {plugin.name: plugin.openapi() for plugin in installed() if plugin.openapi is not None}
