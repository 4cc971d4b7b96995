"""Collects the OpenAPI documents of the services."""

from collections.abc import Iterable
from typing import Any

from services.runtime.process.cli_plugin import Plugin


def openapi_documents(plugins: Iterable[Plugin]) -> dict[str, dict[str, Any]]:
    """Return the OpenAPI document of each plugin that publishes one, by the plugin's name."""
    return {plugin.name: plugin.openapi() for plugin in plugins if plugin.openapi is not None}
