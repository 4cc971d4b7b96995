"""Gives the command line ingest's OpenAPI document."""

from typing import Any

from services.runtime.process.cli_plugin import Plugin


def openapi() -> dict[str, Any]:
    """Return the published OpenAPI document; connects to nothing."""
    from services.ingest.app import application

    return application().openapi()


plugin = Plugin(name="ingest", openapi=openapi)
