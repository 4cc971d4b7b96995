"""`rapport demo`: streams ratings through the whole system and accounts for every one of them."""

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
"""Ratings per second: the load at which the latency is promised."""


def demo(
    *,
    ratings: Annotated[
        Path | None,
        typer.Option(exists=True, dir_okay=False, help="A file of ratings to send instead of a simulation."),
    ] = None,
    fresh: Annotated[
        bool, typer.Option("--fresh", help="Delete what earlier runs with --ratings stored.")
    ] = False,
    clients: Annotated[int, typer.Option(help="Number of clients to simulate.")] = 200,
    sessions: Annotated[int, typer.Option(help="Number of weekly sessions of each client.")] = 12,
    practices: Annotated[int, typer.Option(help="Number of practices in the network.")] = 3,
    therapists: Annotated[int, typer.Option(help="Number of therapists in all practices.")] = 25,
    seed: Annotated[int, typer.Option(help="Seed of the simulation.")] = 1,
    rate: Annotated[float, typer.Option(help="Ratings to send per second.")] = RATE,
    url: Annotated[
        str | None, typer.Option(help="Use a running stack instead of starting one: URL of its ingest.")
    ] = None,
    results_url: Annotated[
        str | None, typer.Option(help="URL of that stack's results (default: the port after ingest's).")
    ] = None,
    notifier_url: Annotated[
        str | None, typer.Option(help="URL of that stack's notifier (default: two ports after ingest's).")
    ] = None,
    mail_url: Annotated[
        str | None, typer.Option(help="URL of that stack's mail catcher, if it has one.")
    ] = None,
    key: Annotated[
        str | None, typer.Option(envvar="RAPPORT_KEY", help="A network key of that stack with all scopes.")
    ] = None,
    key_file: Annotated[
        Path | None, typer.Option(exists=True, dir_okay=False, help="A file that contains such a key.")
    ] = None,
) -> None:
    """Watch Rapport work: a practice network sends ratings, and its therapists receive messages.

    Every rating is followed to its outcome; exit code 1 if one is unaccounted for.

    Examples:

      rapport demo                              (a simulated network; about 40 seconds)

      rapport demo --ratings my-ratings.csv     (your own file; sending it again changes nothing)

      rapport demo --url http://127.0.0.1:8080 --key rpt_…   (a running stack, such as docker-compose.yml's)
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
        size = NetworkSize(clients, sessions, practices, therapists)
        to_send, truth = _ratings(ratings, size, seed, home.folder)
        prepared = time.monotonic() - started
        if url is not None:
            network_key = key_file.read_text().strip() if key_file else key
            stack = _running_stack(
                url,
                results_url=results_url,
                notifier_url=notifier_url,
                mail_url=mail_url,
                key=network_key,
                ratings=to_send,
            )
            result = run_demo(stack, to_send, truth, rate=rate, folder=home.folder)
            show(result)
        else:
            database = "ratings" if ratings else "demo"
            with _own_stack(home, to_send, fresh=fresh or ratings is None, database=database) as stack:
                result = run_demo(stack, to_send, truth, rate=rate, folder=home.folder)
                result.phases_s = {"simulating": prepared} | result.phases_s
                show(result)
                typer.echo(f"{time.monotonic() - started:.0f} s in all.")
                if on_terminal():
                    _wait_for_keys(result.message)
    except (StartFailed, RuntimeError, ValueError) as error:
        typer.secho(str(error), err=True, fg="red")
        raise typer.Exit(1) from None
    except KeyboardInterrupt:
        raise typer.Exit(130) from None
    if result.reconciliation.mismatches:
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
    return input_ratings.ratings_from_file(file, RATINGS_PRACTICE), None


@contextmanager
def _own_stack(
    home: "Home", ratings: "list[InputRating]", *, fresh: bool, database: str
) -> "Iterator[StackAccess]":
    from services.cli.admin.practices import SCOPES, store_practice
    from services.cli.client.stack_access import StackAccess
    from services.cli.demo.input_ratings import practices_of
    from services.cli.local.stack import local_stack
    from services.runtime.http.key_file import add_key

    practices = practices_of(ratings)
    for file in (home.credentials, *home.logs.glob("*.log")):
        file.unlink(missing_ok=True)  # the previous run's key and logs
    began = time.monotonic()
    with local_stack(home, database=database, fresh=fresh, embedded_only=True, echo=typer.echo) as local:
        for practice in practices:
            asyncio.run(store_practice(local.database, practice, ALERT_ON_ALL_SESSIONS))
        key = add_key(home.credentials, grants=practices, scopes=SCOPES, network=True, label=NETWORK)
        typer.echo(
            f"Started in {time.monotonic() - began:.1f} s. In this demonstration therapists receive messages "
            "about sessions of any age (tell_from=always, max_age_days=none); in a practice that you add, "
            "only about sessions after it was added."
        )
        urls = local.running
        yield StackAccess(
            urls.ingest_url, urls.results_url, urls.notifier_url, practices, key.secret, urls.mail_url
        )
        typer.echo("Stopping …")


def _running_stack(
    url: str,
    *,
    results_url: str | None,
    notifier_url: str | None,
    mail_url: str | None,
    key: str | None,
    ratings: "list[InputRating]",
) -> "StackAccess":
    from services.cli.client.stack_access import StackAccess
    from services.cli.demo.input_ratings import practices_of

    if not key:
        raise ValueError("--url also needs --key or --key-file: a network key with all scopes")
    results = results_url or _later_port(url, 1)
    notifier = notifier_url or _later_port(url, 2)
    return StackAccess(url, results, notifier, practices_of(ratings), key, mail_url)


def _later_port(url: str, ports: int) -> str:
    """Return the URL some ports further, as docker-compose.yml numbers the services' ports."""
    from urllib.parse import urlsplit, urlunsplit

    parts = urlsplit(url)
    if parts.port is None:
        raise ValueError("a URL without a port also needs --results-url and --notifier-url")
    return urlunsplit(parts._replace(netloc=f"{parts.hostname}:{parts.port + ports}"))


def _wait_for_keys(message: "TherapistMessage | None") -> None:
    from services.cli.demo.browser import open_signed_in

    offer = "press o to open that page in your browser, or " if message is not None else ""
    typer.echo(f"\nStill running: {offer}press Enter to stop everything.")
    while (key := typer.getchar()) not in {"\r", "\n"}:
        if key.lower() == "o" and message is not None and not open_signed_in(message.url, message.cookies):
            typer.echo(f"No browser opened. The page is {message.url}, behind the link in the mail.")


def register(app: typer.Typer) -> None:
    """Add the command."""
    app.command()(demo)
