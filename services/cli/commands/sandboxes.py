"""`rapport sandboxes`: practices of made-up data, with keys of their own, that are erased every night."""

import asyncio
import signal
import tempfile
import time
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

if TYPE_CHECKING:
    from datetime import time as Night  # noqa: N812 - the module `time` is used, too

    from services.cli.commands.practices import ShowKey
    from services.runtime.process.settings import DatabaseSettings

sandboxes = typer.Typer(
    no_args_is_help=True,
    help="Sandboxes in which a practice's system tries everything out on made-up data: add, list, erase.",
)
LOOKED = Path(tempfile.gettempdir()) / "rapport-sandboxes-looked"
"""Touched whenever the process that erases every night has seen to it; compose asks how old it is."""
Option = Annotated[
    list[str] | None,
    typer.Option("--set", help="An option as name=value; `rapport practices options` lists them."),
]


@sandboxes.command()
def add(
    practice: Annotated[str, typer.Argument(help="The id of the practice that tries Rapport out.")],
    option: Option = None,
    network: Annotated[
        str | None,
        typer.Option(help="Label of a network; its key for sandboxes is created if it is missing."),
    ] = None,
) -> None:
    """Add a practice's sandbox and show its key, once; only the key's hash is stored.

    A sandbox is a practice of its own, with `.sandbox` at the end of its id. What is sent with its key never
    meets the practice's data; ratings are assessed, messages go out, and every response has the header
    `Rapport-Sandbox: true`. Every night all of it is erased, but for the sandbox's options, its directory of
    therapists and its keys. Sessions of any date are told, and mail goes out at once, unless an option says
    otherwise.

    Examples:

      rapport sandboxes add my-practice

      rapport sandboxes add north --network my-network     (one key for many sandboxes)
    """
    from services.cli.commands.practices import say_added
    from services.runtime.process.sandbox import sandbox_of

    def show(key: str | None) -> None:
        say_added(sandbox_of(practice), key, network, ratings="made-up ratings", keys="key for sandboxes")
        if key is not None:
            typer.echo("Everything that it sends is erased every night; options, therapists and keys stay.")

    add_sandbox(practice, option or [], show, network)


def add_sandbox(practice: str, options: "list[str]", show: "ShowKey", network: str | None) -> None:
    """Store a practice's sandbox and show its key; None when the network's key acts for it."""
    from services.cli.admin.practices import is_known
    from services.cli.admin.sandboxes import OPTIONS
    from services.cli.commands.practices import check_id_given, store_with_key
    from services.cli.endpoints import find_endpoints
    from services.runtime.process.sandbox import SANDBOX_SUFFIX, sandbox_of

    check_id_given(practice.removesuffix(SANDBOX_SUFFIX))
    sandbox = sandbox_of(practice)
    # One that is there keeps its options, like a practice that is added again.
    known = asyncio.run(is_known(find_endpoints().database, sandbox))
    usual = [] if known else [f"{name}={value}" for name, value in OPTIONS.items()]
    store_with_key(sandbox, usual + options, show, network)


@sandboxes.command(name="list")
def list_() -> None:
    """List the sandboxes, and when each was last erased."""
    from services.cli.admin.sandboxes import list_sandboxes
    from services.cli.endpoints import find_endpoints

    found = asyncio.run(list_sandboxes(find_endpoints().database))
    for one in found:
        erased = f"last erased {_minute(one.erased_at)}" if one.erased_at else "not erased yet"
        typer.echo(f"{one.id}: added {_minute(one.added_at)}, {erased}")
    if not found:
        typer.echo("There is no sandbox; `rapport sandboxes add PRACTICE` adds one.")


@sandboxes.command()
def erase(
    *,
    every_night: Annotated[
        bool, typer.Option("--every-night", help="Do not end: erase each night, a missed one at once.")
    ] = False,
    at: Annotated[
        str | None,
        typer.Option(
            help="When a night begins, as hours and minutes of UTC; with --every-night.", show_default="01:00"
        ),
    ] = None,
) -> None:
    """Erase all sandboxes, without their options, their directories of therapists and their keys.

    Each is erased as by `rapport erase --all`: what was accepted until then takes no effect any more. The
    same ids may be sent again at once. Compose and `rapport up` run it every night, and in Kubernetes a
    CronJob does.

    Examples:

      rapport sandboxes erase

      rapport sandboxes erase --every-night --at 02:30
    """
    from services.cli.admin.sandboxes import LOOK_EVERY_S, NIGHT, erase_sandboxes
    from services.cli.endpoints import find_endpoints

    night = NIGHT if at is None else _time_of_day(at)
    if at is not None and not every_night:
        raise typer.BadParameter("give --every-night, too: without it, all is erased now", param_hint="--at")
    endpoints = find_endpoints()
    database, secret = endpoints.database, endpoints.erasure_secret
    if not every_night:
        erased = asyncio.run(erase_sandboxes(database, secret))
        for sandbox, counts in erased.items():
            typer.echo(f"{sandbox}: {sum(counts.values())} rows erased.")
        if not erased:
            typer.echo("There is no sandbox.")
        return
    # As the first process of a container, it would ignore SIGTERM.
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    try:
        while True:
            if erase_tonight(database, secret, night):
                LOOKED.touch()
            time.sleep(LOOK_EVERY_S)
    except KeyboardInterrupt:
        typer.echo("Stopped.")


def erase_tonight(database: "DatabaseSettings", secret: bytes, night: "Night") -> bool:
    """Erase the sandboxes that were not erased since the last night began; return whether that was possible.

    A night is made up for as soon as PostgreSQL answers. `rapport doctor` says when one was missed.
    """
    import psycopg

    from services.cli.admin.sandboxes import erase_sandboxes
    from services.runtime.process.errors import Fault

    try:
        erased = asyncio.run(erase_sandboxes(database, secret, night))
    except (psycopg.Error, Fault) as error:
        # PostgreSQL's own sentences may quote ids.
        why = str(error) if isinstance(error, Fault) else type(error).__name__
        typer.secho(f"Sandboxes were not erased, and are tried again soon: {why}", err=True, fg="red")
        return False
    for sandbox, counts in erased.items():
        typer.echo(f"{sandbox}: {sum(counts.values())} rows erased, as every night.")
    return True


def _time_of_day(text: str) -> "Night":
    try:
        return datetime.strptime(text, "%H:%M").time()  # noqa: DTZ007 - in UTC
    except ValueError:
        raise typer.BadParameter("expected hours and minutes, such as 01:00", param_hint="--at") from None


def _minute(at: datetime) -> str:
    return f"{at:%Y-%m-%d %H:%M} UTC"


def register(app: typer.Typer) -> None:
    """Add the commands."""
    app.add_typer(sandboxes, name="sandboxes")
