"""Finds the plugins that installed packages contribute to the command line."""

from collections.abc import Iterator
from importlib.metadata import entry_points

import typer

from services.runtime.process.cli_plugin import Plugin

GROUP = "rapport.plugins"


def installed() -> Iterator[Plugin]:
    """Yield every installed plugin by name; a plugin that cannot be imported is reported and left out."""
    for point in sorted(entry_points(group=GROUP), key=lambda point: point.name):
        try:
            plugin = point.load()
        except ImportError as error:
            typer.secho(f"The commands of {point.name} are not available: {error}", err=True, fg="yellow")
            continue
        if not isinstance(plugin, Plugin):
            raise TypeError(f"{point.value} is not a Plugin")
        yield plugin


def services_with_tables() -> tuple[str, ...]:
    """Return the names of the services that keep tables in PostgreSQL."""
    return tuple(plugin.name for plugin in installed() if plugin.has_tables)
