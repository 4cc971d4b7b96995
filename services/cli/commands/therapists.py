"""`rapport therapists rename`: gives a therapist another reference, with everything that is stored."""

from typing import Annotated

import typer

from services.cli.commands.renaming import check_reference, run
from services.runtime.process.cli_plugin import subcommands


def rename(
    practice: Annotated[str, typer.Option(help="The practice they work in.")],
    old: Annotated[str, typer.Option("--from", help="The reference that the practice used until now.")],
    new: Annotated[str, typer.Option("--to", help="The reference that it uses from now on.")],
) -> None:
    """Give a therapist another reference. Nothing is lost, and nothing is told a second time.

    Directory entry, own settings, clients' histories, items, links, sessions and mail that waits go along.
    What still names the old reference (ratings, answers, calls to the directory) is read as the new one from
    then on, so it does not matter when the practice's system begins to use it. Rename before anything is sent
    under the new reference: two therapists cannot become one, and an old reference is never given to somebody
    else. The audit log keeps the reference of its time.

    Example:

      rapport therapists rename --practice my-practice --from t-7 --to m-schmidt-2
    """
    from services.cli.admin.rename import rename_therapist
    from services.cli.endpoints import find_endpoints

    check_reference(old, new)
    endpoints = find_endpoints()
    run(practice, old, new, lambda: rename_therapist(endpoints.database, practice, old, new))


def register(app: typer.Typer) -> None:
    """Add the command."""
    group = subcommands(app, "therapists", "Manage the directory: how therapists are reached.")
    group.command()(rename)
