"""`rapport send`: a file of ratings in, delivered through ingest's door; every refused line is listed."""

import hashlib
import json
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

if TYPE_CHECKING:
    from services.cli.client.send_ratings import DeliveryReport

HISTORY = """Loading history: nobody is told about it. A practice is told only about sessions after its
`tell_from`, which is the moment it was added, and at most 21 days old; everything before makes up each
client's own usual. To be told about all of it anyway (for trying out):
  rapport practices set PRACTICE --set tell_from=always --set max_age_days=none"""
SHOWN_REFUSALS = 20


def send(
    file: Annotated[
        Path, typer.Argument(exists=True, dir_okay=False, help="CSV, or NDJSON with one rating a line.")
    ],
    key: Annotated[str, typer.Option(envvar="RAPPORT_KEY", help="A key with ratings:write.")],
    *,
    practice: Annotated[
        str | None, typer.Option(help="For a network key: whose ratings these are, unless the file says so.")
    ] = None,
    history: Annotated[bool, typer.Option("--history", help="Explain what happens to old sessions.")] = False,
    again: Annotated[
        bool, typer.Option("--from-start", help="Forget that an earlier run was interrupted.")
    ] = False,
    rate: Annotated[float | None, typer.Option(help="At most so many ratings a second.")] = None,
) -> None:
    """Send a file of ratings. Safe to repeat: the same rating again changes nothing and tells nobody.

    Columns of a CSV: client_id, therapist_id, session_id, session_at, instrument, item_1 …; optional
    practice_id, case_id, id, status, next_session_at, recorded_at. No marks at all: the form was declined.

    Examples:

      RAPPORT_KEY=rpt_… rapport send ratings.csv

      rapport send two-years.csv --history --key rpt_…
    """
    from services.cli.client.api_client import ApiClient, ApiError
    from services.cli.client.rating_files import read_ratings
    from services.cli.client.send_ratings import DeliveryReport, IngestUnavailable, send_ratings
    from services.cli.endpoints import find_endpoints
    from services.runtime.process.progress_bar import progress_bar

    if history:
        typer.echo(HISTORY)
    endpoints = find_endpoints()
    report = DeliveryReport()
    note = _Note(endpoints.home.folder, file, practice)
    if again:
        note.forget()
    skipped = note.done
    if skipped:
        typer.echo(f"Going on after {skipped} ratings that an interrupted run delivered (--from-start: all).")
    try:
        with ApiClient.open(endpoints.url("ingest"), "", "", key) as client:
            items = list(read_ratings(file, practice, client.instruments()))
            with progress_bar("sending", len(items), skipped) as advance:

                def progress(now: DeliveryReport) -> None:
                    note.write(skipped + now.done)
                    advance(skipped + now.done)

                send_ratings(client, items[skipped:], report, rate=rate, progress=progress)
    except (IngestUnavailable, ApiError, ValueError) as error:
        typer.secho(f"{error}. Run the same command again to go on.", err=True, fg="red")
        raise typer.Exit(1) from None
    note.forget()
    _report(report)


def _report(report: "DeliveryReport") -> None:
    typer.echo(f"{report.done} sent = {report.accepted} accepted + {report.done - report.accepted} refused")
    for line, reason in report.refused_lines[:SHOWN_REFUSALS]:
        typer.echo(f"  line {line}: {reason}")
    if len(report.refused_lines) > SHOWN_REFUSALS:
        typer.echo(f"  … and {len(report.refused_lines) - SHOWN_REFUSALS} more")
    if report.refused_lines:
        raise typer.Exit(3)


class _Note:
    """How far an interrupted run of the same file came; gone once a run is complete."""

    def __init__(self, home: Path, file: Path, practice: str | None) -> None:
        digest = hashlib.sha256(file.read_bytes() + (practice or "").encode()).hexdigest()[:16]
        self._path = home / "sending" / f"{digest}.json"

    @property
    def done(self) -> int:
        return int(json.loads(self._path.read_text())["done"]) if self._path.exists() else 0

    def write(self, done: int) -> None:
        self._path.parent.mkdir(parents=True, exist_ok=True)
        new = self._path.with_suffix(".new")
        new.write_text(json.dumps({"done": done}))
        new.replace(self._path)

    def forget(self) -> None:
        self._path.unlink(missing_ok=True)


def register(app: typer.Typer) -> None:
    """Add the command."""
    app.command()(send)
