"""The `rapport` command: words in, the commands of the console and of every installed service out."""

import sys

import typer

from services.cli import plugins
from services.cli.commands import demo, doctor, migrate, practices, schemas, send, topics, up, why

COMMANDS = (demo, up, send, practices, why, doctor, topics, migrate, schemas)
"""In the order in which a newcomer needs them."""

HELP = """
Rapport notices when a therapeutic alliance deteriorates, and tells the therapist before the next session.

To see it work:          [bold]rapport demo[/bold]

To run it here:          [bold]rapport up[/bold]

To send ratings:         [bold]rapport send ratings.csv --practice my-practice[/bold]

Why was I (not) told?    [bold]rapport why --practice my-practice --session s-17[/bold]

Something is wrong:      [bold]rapport doctor[/bold]
"""


def application() -> typer.Typer:
    """The whole command: the console's own words, then what each installed service brings."""
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
    """Run the command that was typed."""
    from services.runtime.process.errors import Fault

    try:
        application()(prog_name="rapport")
    except Fault as fault:
        typer.secho(str(fault), err=True, fg="red")
        sys.exit(1)


if __name__ == "__main__":
    main()
