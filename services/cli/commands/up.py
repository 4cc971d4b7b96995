"""`rapport up`: runs the whole system on this machine until Ctrl-C."""

import asyncio
import os
import signal
import time
from typing import TYPE_CHECKING

import typer

if TYPE_CHECKING:
    from services.cli.local.stack import LocalStack

FIRST_PRACTICE = "my-practice"
_IS = {1: "is", 2: "are"}


def up() -> None:
    """Start broker, database, mail catcher and the three services here, and run until Ctrl-C.

    It starts an embedded Kafka (in memory, for trials) and PostgreSQL; set KAFKA_BOOTSTRAP_SERVERS or
    DATABASE_URL to use your own. Its data is in `.rapport/`.

    Then, in another terminal:

      RAPPORT_KEY=… rapport send ratings.csv

      rapport why --practice my-practice --session s-17

      rapport doctor
    """
    from services.cli.error_text import error_text
    from services.cli.home import Home, default_home
    from services.cli.local.child_process import StartFailed
    from services.cli.local.stack import local_stack

    signal.signal(signal.SIGTERM, signal.default_int_handler)
    home = Home(default_home())
    running = home.running()
    if running is not None:
        typer.secho(
            f"Rapport is already running (process {running.supervisor_pid}), ingest at {running.ingest_url}.",
            err=True,
            fg="red",
        )
        raise typer.Exit(1)
    try:
        with local_stack(
            home, database="rapport", fresh=False, embedded_only=False, echo=typer.echo
        ) as stack:
            _add_first_practice(stack)
            typer.echo("\nRapport is running. Ctrl-C stops it.")
            _watch(stack)
    except StartFailed as error:
        typer.secho(str(error), err=True, fg="red")
        raise typer.Exit(1) from None
    except Exception as error:
        said = error_text(error)
        given = [name for name in ("KAFKA_BOOTSTRAP_SERVERS", "DATABASE_URL") if name in os.environ]
        if said is None or not given:
            raise
        typer.secho(
            f"{said}\n`rapport up` uses your own because {' and '.join(given)} {_IS[len(given)]} set: without"
            " it, it starts one here.",
            err=True,
            fg="red",
        )
        raise typer.Exit(1) from None
    typer.echo("Stopped.")


def _add_first_practice(stack: "LocalStack") -> None:
    from services.cli.admin.practices import SCOPES, store_practice
    from services.cli.client.first_rating import first_rating_request
    from services.runtime.http.key_file import add_key, read_keys

    file = stack.home.credentials
    if any(FIRST_PRACTICE in key.grants for key in read_keys(file)):
        return
    asyncio.run(store_practice(stack.database, FIRST_PRACTICE, {"mail_timing": "immediate"}))
    key = add_key(file, grants=[FIRST_PRACTICE], scopes=SCOPES, label=f"practice {FIRST_PRACTICE}")
    typer.echo(
        f"\nA first practice, {FIRST_PRACTICE}, is added. Its key is shown only once:\n\n  {key.secret}\n"
    )
    typer.echo("Send a first rating:\n")
    typer.echo(first_rating_request(stack.running.ingest_url, key.secret))
    typer.echo("\nOr connect it step by step, with a file of your own, in another terminal:\n")
    typer.echo(f"  RAPPORT_KEY={key.secret} rapport connect {FIRST_PRACTICE}")
    typer.echo("\nOr try your program on made-up data, which is erased every night (docs/sandbox.md):\n")
    typer.echo(f"  rapport sandboxes add {FIRST_PRACTICE}")


def _watch(stack: "LocalStack") -> None:
    """Restart services that end by themselves, and erase the sandboxes every night, until Ctrl-C."""
    from services.cli.admin.sandboxes import LOOK_EVERY_S, NIGHT
    from services.cli.commands.sandboxes import erase_tonight
    from services.runtime.process.settings import ErasureSettings

    secret = ErasureSettings(erasure_secret_file=stack.home.secret("erasure")).secret() or b""
    next_look = 0.0
    try:
        while True:
            if time.monotonic() >= next_look:
                erase_tonight(stack.database, secret, NIGHT)
                next_look = time.monotonic() + LOOK_EVERY_S
            name = stack.supervisor.ended_service()
            if name is not None:
                process = stack.supervisor.processes[name]
                typer.secho(
                    f"{name} ended ({process.last_log_line()}) and is started again. Log: {process.log}",
                    err=True,
                    fg="yellow",
                )
                stack.supervisor.restart(name)
            time.sleep(1)
    except KeyboardInterrupt:
        typer.echo("\nStopping …")


def register(app: typer.Typer) -> None:
    """Add the command."""
    app.command()(up)
