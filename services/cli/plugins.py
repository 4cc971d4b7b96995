"""Installed services in, what they lend to the command line out."""

from collections.abc import Iterator
from importlib.metadata import entry_points

import typer

from services.runtime.process.cli_plugin import Plugin

GROUP = "rapport.plugins"


def installed() -> Iterator[Plugin]:
    """Every service that is installed here; one that cannot be loaded is named and left out."""
    for point in sorted(entry_points(group=GROUP), key=lambda point: point.name):
        try:
            plugin = point.load()
        except ImportError as error:
            typer.secho(f"The commands of {point.name} are missing here: {error}", err=True, fg="yellow")
            continue
        if not isinstance(plugin, Plugin):
            raise TypeError(f"{point.value} is no plugin")
        yield plugin
