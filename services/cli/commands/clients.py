"""`rapport clients rename`: gives a client another reference, with everything that is stored."""

from typing import Annotated

import typer

from services.cli.commands.renaming import check_reference, run
from services.runtime.process.cli_plugin import subcommands


def rename(
    practice: Annotated[str, typer.Option(help="The client's practice.")],
    old: Annotated[str, typer.Option("--from", help="The reference that the practice used until now.")],
    new: Annotated[str, typer.Option("--to", help="The reference that it uses from now on.")],
) -> None:
    """Give a client another reference. Nothing is lost, and nothing is told a second time.

    Sessions, ratings, episodes, items, and mail that waits go along. What still names the old reference is
    read as the new one from then on, so it does not matter when the practice's system begins to use it.
    Rename before anything is sent under the new reference: two histories cannot become one. Where both have
    sessions, send those of one client with the status "withdrawn", and then again as sessions of the other.

    An erasure of the client by either reference takes everything with it. An erased reference is given to
    nobody. Events that were published before keep the old reference, and so does the log of who did what.

    Example:

      rapport clients rename --practice my-practice --from c-17 --to c-2204
    """
    from services.cli.admin.rename import rename_client
    from services.cli.endpoints import find_endpoints

    check_reference(old, new)
    endpoints = find_endpoints()
    secret = endpoints.erasure_secret
    run(practice, old, new, lambda: rename_client(endpoints.database, secret, practice, old, new))


def register(app: typer.Typer) -> None:
    """Add the command."""
    group = subcommands(app, "clients", "Manage what is stored about clients.")
    group.command()(rename)
