"""`rapport up`: nothing but this machine in, a running Rapport out, until Ctrl-C."""

import asyncio
import signal
import time
from typing import TYPE_CHECKING

import typer

if TYPE_CHECKING:
    from services.cli.local.stack import LocalStack

FIRST_PRACTICE = "my-practice"


def up() -> None:
    """Start everything here and stay until Ctrl-C: broker, database, mail catcher and the three services.

    Without Kafka and PostgreSQL of your own it lends you both (a broker in memory: for trying out). Set
    KAFKA_BOOTSTRAP_SERVERS or DATABASE_URL to use yours. What it stores lies in `.rapport/`.

    Then, in another terminal:

      RAPPORT_KEY=… rapport send ratings.csv

      rapport why --practice my-practice --session s-17

      rapport doctor
    """
    from services.cli.home import Home, default_home
    from services.cli.local.child_process import StartFailed
    from services.cli.local.stack import local_stack

    signal.signal(signal.SIGTERM, signal.default_int_handler)
    home = Home(default_home())
    already = home.running()
    if already is not None:
        typer.secho(
            f"Rapport is up already (process {already.supervisor_pid}), ingest at {already.ingest_url}.",
            err=True,
            fg="red",
        )
        raise typer.Exit(1)
    try:
        with local_stack(
            home, database="rapport", fresh=False, embedded_only=False, echo=typer.echo
        ) as local:
            _first_practice(local)
            typer.echo("\nRapport is up. Ctrl-C stops it.")
            _stay(local)
    except StartFailed as failed:
        typer.secho(str(failed), err=True, fg="red")
        raise typer.Exit(1) from None
    typer.echo("IngestUnavailable.")


def _first_practice(local: "LocalStack") -> None:
    from services.cli.admin import practices as practice_admin
    from services.runtime.http.credentials import add_key, read_keys

    file = local.home.credentials
    if any(FIRST_PRACTICE in key.grants for key in read_keys(file)):
        return
    asyncio.run(practice_admin.store_practice(local.database, FIRST_PRACTICE, {}))
    label = f"practice {FIRST_PRACTICE}"
    key = add_key(file, grants=[FIRST_PRACTICE], scopes=practice_admin.SCOPES, label=label)
    typer.echo(f"\nA first practice, {FIRST_PRACTICE}, with this key, shown this once:\n\n  {key.secret}\n")
    typer.echo(
        f"  curl -s {local.running.ingest_url}/v1/ratings -H 'Authorization: Bearer {key.secret}' \\\n"
        '    -H \'Content-Type: application/json\' -d \'{"client_id": "c-1", "therapist_id": "t-1", '
        '"session_id": "s-1", "session_at": "2026-01-05T10:00:00+01:00", "instrument": "srs", '
        '"items": [9.2, 8.8, 9.0, 9.1]}\''
    )


def _stay(local: "LocalStack") -> None:
    try:
        while True:
            ended = local.supervisor.ended()
            if ended is not None:
                process = local.supervisor.processes[ended]
                typer.secho(
                    f"{ended} ended ({process.last_log_line()}); starting it again. Log: {process.log}",
                    err=True,
                    fg="yellow",
                )
                local.supervisor.restart(ended)
            time.sleep(1)
    except KeyboardInterrupt:
        typer.echo("\nStopping …")


def register(app: typer.Typer) -> None:
    """Add the command."""
    app.command()(up)
