"""`rapport practices status`: how a practice's ratings arrive, for operators and for the practice."""

import asyncio
from typing import Annotated

import typer


def status(
    practice: Annotated[str, typer.Argument(help="The practice's id.")],
    key: Annotated[
        str | None,
        typer.Option(
            envvar="RAPPORT_KEY",
            help="Ask the services with this key (scope results:read), as the practice can; default: read the"
            " database.",
        ),
    ] = None,
) -> None:
    """Show whether a practice's ratings arrive as usual, and what became of them and of its messages.

    With a key: the counts of everything that it sent, by outcome, and of its messages, by state.

    Examples:

      rapport practices status my-practice

      RAPPORT_KEY=rpt_… rapport practices status my-practice
    """
    from services.cli.endpoints import find_endpoints

    endpoints = find_endpoints()
    if key is None:
        from services.cli.admin.practice_status import read_status
        from services.cli.admin.practices import is_known, no_practice

        for line in asyncio.run(read_status(endpoints.database, practice)):
            typer.echo(f"{line.what:30} {line.found}")
        if not asyncio.run(is_known(endpoints.database, practice)):
            typer.secho(no_practice(practice), err=True, fg="red")
            raise typer.Exit(1)
        return
    from rich.console import Console

    from services.cli.client.api_client import ApiClient

    ingest, results, notifier = map(endpoints.url, ("ingest", "results", "notifier"))
    with ApiClient.open(ingest, results, notifier, key) as client:
        Console().print_json(
            data={"results": client.results_balance(practice), "messages": client.message_balance(practice)}
        )
