"""`rapport demo`: nothing but this machine in, ratings streamed and every one of them accounted for out."""

import asyncio
import signal
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

if TYPE_CHECKING:
    from services.cli.client.stack_access import StackAccess
    from services.cli.demo.input_ratings import InputRating, NetworkSize
    from services.cli.demo.therapist_message import TherapistMessage
    from services.cli.home import Home

ALERT_ON_ALL_SESSIONS = {"tell_from": "always", "max_age_days": "none"}
RATINGS_PRACTICE = "my-practice"
NETWORK = "demo network"
RATE = 200.0
"""Ratings a second: the load at which the latency is promised."""


def demo(
    *,
    ratings: Annotated[
        Path | None, typer.Option(exists=True, dir_okay=False, help="Your own file instead of a simulation.")
    ] = None,
    fresh: Annotated[
        bool, typer.Option("--fresh", help="Forget what earlier runs of --ratings stored.")
    ] = False,
    clients: Annotated[int, typer.Option(help="Clients to simulate.")] = 200,
    sessions: Annotated[int, typer.Option(help="Weekly sessions each.")] = 12,
    practices: Annotated[int, typer.Option(help="Practices in the network.")] = 3,
    therapists: Annotated[int, typer.Option(help="Therapists in all.")] = 25,
    seed: Annotated[int, typer.Option(help="Another seed, another network.")] = 1,
    rate: Annotated[float, typer.Option(help="Ratings a second.")] = RATE,
    url: Annotated[str | None, typer.Option(help="A stack elsewhere: its ingest.")] = None,
    results_url: Annotated[
        str | None, typer.Option(help="Its results door (left out: the next port).")
    ] = None,
    notifier_url: Annotated[
        str | None, typer.Option(help="Its notifier (left out: the port after that).")
    ] = None,
    mail_url: Annotated[str | None, typer.Option(help="Its mail catcher, if it has one.")] = None,
    key: Annotated[
        str | None, typer.Option(envvar="RAPPORT_KEY", help="A network key of its, with all scopes.")
    ] = None,
    key_file: Annotated[
        Path | None, typer.Option(exists=True, dir_okay=False, help="A file that holds such a key.")
    ] = None,
) -> None:
    """Watch it work: a practice network streams ratings, therapists are told, nothing is lost.

    Examples:

      rapport demo                              (a simulated network; about 40 seconds)

      rapport demo --ratings my-ratings.csv     (your own file; the same file again changes nothing)

      rapport demo --url http://127.0.0.1:8080 --key rpt_…   (a stack that runs, as docker-compose.yml has it)
    """
    from services.cli.demo.input_ratings import NetworkSize
    from services.cli.demo.report import show
    from services.cli.demo.run import run_demo
    from services.cli.home import Home, default_home
    from services.cli.local.child_process import StartFailed
    from services.runtime.process.progress_bar import on_terminal

    signal.signal(signal.SIGTERM, signal.default_int_handler)
    started = time.monotonic()
    home = Home(default_home() / "demo")
    try:
        sent, truth = _ratings(
            ratings, NetworkSize(clients, sessions, practices, therapists), seed, home.folder
        )
        prepared = time.monotonic() - started
        if url is not None:
            given = key_file.read_text().strip() if key_file else key
            stack = _remote(
                url,
                results_url=results_url,
                notifier_url=notifier_url,
                mail_url=mail_url,
                key=given,
                sent=sent,
            )
            outcome = run_demo(stack, sent, truth, rate=rate, folder=home.folder)
            show(outcome)
        else:
            with _here(
                home, sent, fresh=fresh or ratings is None, name="ratings" if ratings else "demo"
            ) as stack:
                outcome = run_demo(stack, sent, truth, rate=rate, folder=home.folder)
                outcome.phases_s = {"simulating": prepared} | outcome.phases_s
                show(outcome)
                typer.echo(f"{time.monotonic() - started:.0f} s in all.")
                if on_terminal():
                    _stay(outcome.message)
    except (StartFailed, RuntimeError, ValueError) as error:
        typer.secho(str(error), err=True, fg="red")
        raise typer.Exit(1) from None
    except KeyboardInterrupt:
        raise typer.Exit(130) from None
    if outcome.reconciliation.mismatches:
        raise typer.Exit(1)


def _ratings(
    file: Path | None, size: "NetworkSize", seed: int, folder: Path
) -> "tuple[list[InputRating], dict[str, Any] | None]":
    from services.cli.demo import input_ratings

    if file is None:
        typer.echo(
            f"Simulating {size.practices} practices, {size.clients} clients, {size.sessions} sessions each …"
        )
        return input_ratings.simulate_ratings(size, seed, folder)
    return input_ratings.from_file(file, RATINGS_PRACTICE), None


@contextmanager
def _here(home: "Home", sent: "list[InputRating]", *, fresh: bool, name: str) -> "Iterator[StackAccess]":
    from services.cli.admin import practices as practice_admin
    from services.cli.client.stack_access import StackAccess
    from services.cli.demo.input_ratings import practices_of
    from services.cli.local.stack import local_stack
    from services.runtime.http.credentials import add_key

    names = practices_of(sent)
    for left in (home.credentials, *home.logs.glob("*.log")):
        left.unlink(missing_ok=True)  # the last run's key and logs are gone with that run
    begun = time.monotonic()
    with local_stack(home, database=name, fresh=fresh, embedded_only=True, echo=typer.echo) as local:
        for practice in names:
            asyncio.run(practice_admin.store_practice(local.database, practice, ALERT_ON_ALL_SESSIONS))
        key = add_key(
            home.credentials, grants=names, scopes=practice_admin.SCOPES, network=True, label=NETWORK
        )
        typer.echo(
            f"Started in {time.monotonic() - begun:.1f} s. The practices here are told about all sessions, "
            "however old (tell_from=always, no age limit); yours begin with the moment they are added."
        )
        where = local.running
        yield StackAccess(
            where.ingest_url, where.results_url, where.notifier_url, names, key.secret, where.mail_url
        )
        typer.echo("Stopping …")


def _remote(
    url: str,
    *,
    results_url: str | None,
    notifier_url: str | None,
    mail_url: str | None,
    key: str | None,
    sent: "list[InputRating]",
) -> "StackAccess":
    from services.cli.client.stack_access import StackAccess
    from services.cli.demo.input_ratings import practices_of

    if not key:
        raise ValueError("a stack elsewhere needs --key or --key-file: a network key with all scopes")
    results = results_url or _next_door(url, 1)
    notifier = notifier_url or _next_door(url, 2)
    return StackAccess(url, results, notifier, practices_of(sent), key, mail_url)


def _next_door(url: str, further: int) -> str:
    """The same host, some ports further: how docker-compose.yml lays the doors out."""
    from urllib.parse import urlsplit, urlunsplit

    parts = urlsplit(url)
    if parts.port is None:
        raise ValueError("an address without a port also needs --results-url and --notifier-url")
    return urlunsplit(parts._replace(netloc=f"{parts.hostname}:{parts.port + further}"))


def _stay(message: "TherapistMessage | None") -> None:
    from services.cli.demo.browser import open_signed_in

    offer = "o opens that item signed in; " if message is not None else ""
    typer.echo(f"\nStill up: {offer}Enter stops everything.")
    while (key := typer.getchar()) not in {"\r", "\n"}:
        if key.lower() == "o" and message is not None and not open_signed_in(message.url, message.cookies):
            typer.echo(f"No browser came. The page is {message.url}, behind the link in the mail.")


def register(app: typer.Typer) -> None:
    """Add the command."""
    app.command()(demo)
