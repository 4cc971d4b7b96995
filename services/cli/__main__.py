"""Assembles the `rapport` command from its own commands and those of the installed plugins."""

import os
import sys

import typer

from services.cli import plugins
from services.cli.commands import (
    audit,
    clients,
    connect,
    demo,
    doctor,
    erase,
    export,
    halts,
    migrate,
    practices,
    rejected,
    sandboxes,
    schemas,
    send,
    therapists,
    topics,
    up,
    why,
)
from services.cli.endpoints import share_running_database

COMMANDS = (
    demo,
    up,
    connect,
    send,
    practices,
    sandboxes,
    therapists,
    clients,
    why,
    audit,
    export,
    doctor,
    rejected,
    halts,
    erase,
    topics,
    migrate,
    schemas,
)
"""In the order in which a new user needs them."""

STARTERS = frozenset({"up", "demo"})
"""Commands that start a database unless one is set."""

HELP = """
Rapport notices when a therapeutic alliance deteriorates, and tells the therapist before the next session.

See it work:             [bold]rapport demo[/bold]

Run it here:             [bold]rapport up[/bold]

Connect a practice:      [bold]rapport connect my-practice[/bold]

Send ratings:            [bold]rapport send ratings.csv --practice my-practice[/bold]

Explain one session:     [bold]rapport why --practice my-practice --session s-17[/bold]

Check the installation:  [bold]rapport doctor[/bold]
"""


def application() -> typer.Typer:
    """Return the command with its own commands first, then those of each plugin."""
    app = typer.Typer(
        help=HELP,
        no_args_is_help=True,
        rich_markup_mode="rich",
        add_completion=False,
        pretty_exceptions_enable=False,
    )

    for command in COMMANDS:
        command.register(app)
    for plugin in plugins.installed():
        if plugin.register is not None:
            plugin.register(app)
    return app


def main() -> None:
    """Run the command line; an error with a cause outside ends it with its sentences and exit code 1."""
    import structlog

    from services.cli.error_text import error_text

    # What a command prints may be a table that another program reads: log lines go to standard error.
    structlog.configure(logger_factory=lambda *_: structlog.PrintLogger(sys.stderr))
    _open_closed_streams()
    if STARTERS.isdisjoint(sys.argv[1:2]):
        share_running_database()
    try:
        application()(prog_name="rapport")
    except Exception as error:
        text = error_text(error)
        if text is None:
            raise
        typer.secho(text, err=True, fg="red")
        if isinstance(error, OSError):
            # What was not written yet could not be written at the end, either.
            os.dup2(os.open(os.devnull, os.O_WRONLY), 1)
        sys.exit(1)


def _open_closed_streams() -> None:
    """Let a command whose streams were closed read nothing, and write to nowhere."""
    sys.stdin = sys.stdin or os.fdopen(os.open(os.devnull, os.O_RDONLY))
    sys.stdout = sys.stdout or os.fdopen(os.open(os.devnull, os.O_WRONLY), "w")
    sys.stderr = sys.stderr or os.fdopen(os.open(os.devnull, os.O_WRONLY), "w")


if __name__ == "__main__":
    main()
