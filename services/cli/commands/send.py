"""`rapport send`: sends a file of ratings to ingest and lists every refused line."""

import hashlib
import json
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

if TYPE_CHECKING:
    from services.cli.client.send_ratings import DeliveryReport

HISTORY = """History is assessed when no other ratings wait, and loading it sends no messages.
Therapists are told only about sessions after their practice's `tell_from`, which is the moment the
practice was added, and at most 21 days old; earlier sessions only establish what is usual for each
client. To be told about all sessions (for a trial):
  rapport practices set PRACTICE --set tell_from=always --set max_age_days=none"""
REFUSALS_SHOWN = 20


def send(
    file: Annotated[
        Path, typer.Argument(exists=True, dir_okay=False, help="CSV, or NDJSON with one rating per line.")
    ],
    key: Annotated[str, typer.Option(envvar="RAPPORT_KEY", help="A key with the scope ratings:write.")],
    *,
    practice: Annotated[
        str | None, typer.Option(help="With a network key: the practice of ratings that name none.")
    ] = None,
    history: Annotated[
        bool, typer.Option("--history", help="Load old sessions: ratings of today are not delayed by them.")
    ] = False,
    from_start: Annotated[
        bool,
        typer.Option("--from-start", help="Send the whole file, even if an earlier run was interrupted."),
    ] = False,
    rate: Annotated[float | None, typer.Option(help="Largest number of ratings per second.")] = None,
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="Send nothing; say which lines would be refused or not matter.")
    ] = False,
) -> None:
    """Send a file of ratings. Repeating it is safe: a rating that is sent again changes nothing.

    Columns of a CSV: client_id, therapist_id, session_id, session_at, instrument, item_1 …; optional:
    practice_id, case_id, id, status, next_session_at, recorded_at. A row without any mark is a declined form.

    An interrupted run is resumed by the same command. Exit code 3 if ratings were refused.

    Examples:

      RAPPORT_KEY=rpt_… rapport send ratings.csv

      rapport send two-years.csv --history --key rpt_…
    """
    from schemas.correction_warnings import FileRating, correction_warnings
    from schemas.csv_table import UnreadableTable
    from services.cli.client.api_client import ApiClient, ApiError
    from services.cli.client.rating_files import read_ratings
    from services.cli.client.send_ratings import DeliveryReport, IngestUnavailable, send_ratings
    from services.cli.endpoints import find_endpoints
    from services.runtime.process.progress_bar import progress_bar

    if history and not dry_run:
        typer.echo(HISTORY)
    endpoints = find_endpoints()
    report = DeliveryReport()
    resume_point = _ResumePoint(endpoints.home.folder, file, practice)
    if from_start and not dry_run:
        resume_point.remove()
    skipped = 0 if dry_run else resume_point.read()
    if skipped:
        typer.echo(
            f"Resuming after the {skipped} ratings that an interrupted run sent (--from-start sends all)."
        )
    try:
        with ApiClient.open(endpoints.url("ingest"), "", "", key) as client:
            ratings = read_ratings(file, practice, client.instruments)
            sent = (FileRating(one.line, one.practice, one.body) for one in ratings)
            _print_warnings(list(correction_warnings(sent)))
            with progress_bar("sending", len(ratings), skipped) as advance:

                def progress(report: DeliveryReport) -> None:
                    if not dry_run:
                        resume_point.write(skipped + report.done)
                    advance(skipped + report.done)

                send_ratings(
                    client,
                    ratings[skipped:],
                    report,
                    rate=rate,
                    history=history,
                    dry_run=dry_run,
                    progress=progress,
                )
    except UnreadableTable as error:
        typer.secho(f"{error}\nNothing was sent.", err=True, fg="red")
        raise typer.Exit(1) from None
    except (IngestUnavailable, ApiError, ValueError) as error:
        typer.secho(f"{str(error).rstrip('.')}. Run the same command again to resume.", err=True, fg="red")
        raise typer.Exit(1) from None
    if not dry_run:
        resume_point.remove()
    _print_report(report, dry_run=dry_run)


def _print_warnings(warnings: list[str]) -> None:
    for warning in warnings[:REFUSALS_SHOWN]:
        typer.secho(warning, err=True, fg="yellow")
    if len(warnings) > REFUSALS_SHOWN:
        typer.secho(f"… and {len(warnings) - REFUSALS_SHOWN} more such lines", err=True, fg="yellow")


def _print_report(report: "DeliveryReport", *, dry_run: bool) -> None:
    checked, accepted = ("checked, none sent", "valid") if dry_run else ("sent", "accepted")
    refused = report.done - report.accepted
    typer.echo(f"{report.done} {checked} = {report.accepted} {accepted} + {refused} refused")
    for line, reason in report.refused_lines[:REFUSALS_SHOWN]:
        typer.echo(f"  line {line}: {reason}")
    if len(report.refused_lines) > REFUSALS_SHOWN:
        typer.echo(f"  … and {len(report.refused_lines) - REFUSALS_SHOWN} more")
    if report.refused_lines:
        raise typer.Exit(3)


class _ResumePoint:
    """The number of ratings of a file that an interrupted run sent; removed once a run is complete."""

    def __init__(self, home: Path, file: Path, practice: str | None) -> None:
        digest = hashlib.sha256(file.read_bytes() + (practice or "").encode()).hexdigest()[:16]
        self._path = home / "sending" / f"{digest}.json"

    def read(self) -> int:
        return int(json.loads(self._path.read_text())["done"]) if self._path.exists() else 0

    def write(self, done: int) -> None:
        self._path.parent.mkdir(parents=True, exist_ok=True)
        new = self._path.with_suffix(".new")
        new.write_text(json.dumps({"done": done}))
        new.replace(self._path)

    def remove(self) -> None:
        self._path.unlink(missing_ok=True)


def register(app: typer.Typer) -> None:
    """Add the command."""
    app.command()(send)
