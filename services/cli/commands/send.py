"""`rapport send`: sends a file of ratings to ingest and lists every refused line."""

import hashlib
import json
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

if TYPE_CHECKING:
    from schemas.instruments.catalogue import Catalogue
    from schemas.rating_tables.reading_options import ReadingOptions
    from services.cli.client.api_client import ApiClient
    from services.cli.client.rating_files import RatingFile
    from services.cli.client.send_ratings import DeliveryReport, RatingToSend

HISTORY = """History is assessed when no other ratings wait, and loading it sends no messages.
Therapists are told only about sessions after their practice's `tell_from`, which is the moment the
practice was added, and at most 21 days old; earlier sessions only establish what is usual for each
client. To be told about all sessions (for a trial):
  rapport practices set PRACTICE --set tell_from=always --set max_age_days=none"""
REFUSALS_SHOWN = 20


def send(
    file: Annotated[
        Path,
        typer.Argument(exists=True, dir_okay=False, help="A table, or NDJSON with one rating per line."),
    ],
    key: Annotated[
        str | None, typer.Option(envvar="RAPPORT_KEY", help="A key with the scope ratings:write.")
    ] = None,
    *,
    practice: Annotated[
        str | None, typer.Option(help="With a network key: the practice of ratings that name none.")
    ] = None,
    mapping: Annotated[
        Path | None,
        typer.Option(exists=True, dir_okay=False, help="How the table is read: of `try --write-mapping`."),
    ] = None,
    therapist: Annotated[
        str | None, typer.Option(help="Without a mapping: the therapist of all rows that name none.")
    ] = None,
    yes: Annotated[
        bool, typer.Option("--yes", help="Send a table in a form of its own without asking.")
    ] = False,
    print_: Annotated[
        bool, typer.Option("--print", help="Send nothing: write the ratings to standard output (NDJSON).")
    ] = False,
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="Send nothing; say which lines would be refused or not matter.")
    ] = False,
    history: Annotated[
        bool, typer.Option("--history", help="Load old sessions: ratings of today are not delayed by them.")
    ] = False,
    from_start: Annotated[
        bool,
        typer.Option("--from-start", help="Send the whole file, even if an earlier run was interrupted."),
    ] = False,
    rate: Annotated[
        float | None, typer.Option(min=0.001, max=1e6, help="Largest number of ratings per second.")
    ] = None,
) -> None:
    """Send a file of ratings. Repeating it is safe: a rating that is sent again changes nothing.

    The documented form of a table is CSV in UTF-8 with the columns client_id, therapist_id, session_id,
    session_at, instrument, item_1 …; optional: practice_id, case_id, id, status, next_session_at,
    recorded_at, total. A row without any mark is a declined form. Any other table is read as `rapport try`
    reads it: the columns are shown with an example, and nothing is sent before you agree, with --yes, or with
    a --mapping.

    An interrupted run is resumed by the same command. Exit code 3 if ratings were refused.

    Examples:

      RAPPORT_KEY=rpt_… rapport send ratings.csv

      rapport send two-years.csv --history --key rpt_…

      rapport send export.xlsx --mapping practice.toml --print
    """
    from schemas.csv_table import UnreadableTable
    from schemas.instruments.settings import InstrumentSettings
    from schemas.rating_tables.description import with_cure
    from schemas.rating_tables.reading_options import ReadingOptions, read_mapping
    from schemas.rating_tables.table_errors import UnusableTable
    from services.cli.client.api_client import ApiClient, ApiError
    from services.cli.client.rating_files import read_ratings
    from services.cli.client.reading_check import require_agreement, show_reading, unread_rows
    from services.cli.client.send_ratings import IngestUnavailable
    from services.cli.endpoints import find_endpoints

    def catalogue() -> "Catalogue":
        return InstrumentSettings().catalogue()

    if key is None and not print_:
        raise typer.BadParameter("a key is needed: --key or RAPPORT_KEY")
    _check_options(key, mapping, therapist)
    try:
        options = ReadingOptions(therapist=therapist) if mapping is None else read_mapping(mapping)
        if print_:
            found = read_ratings(file, practice, lambda: catalogue().item_counts(), catalogue, options)
            show_reading(found, catalogue())
            _print_ratings(found)
            raise typer.Exit(3 if unread_rows(found) else 0)
        if history and not dry_run:
            typer.echo(HISTORY)
        endpoints = find_endpoints()
        resume_point = _ResumePoint(endpoints.home.folder, file, practice, options)
        if from_start and not dry_run:
            resume_point.remove()
        with ApiClient.open(endpoints.url("ingest"), "", "", key or "") as client:
            found = read_ratings(file, practice, client.instruments, catalogue, options)
            show_reading(found, catalogue())
            require_agreement(found, given=yes or dry_run or mapping is not None)
            report = _send(client, found.ratings, resume_point, rate=rate, history=history, dry_run=dry_run)
    except (UnusableTable, UnreadableTable) as error:
        said = with_cure(error, file) if isinstance(error, UnusableTable) else error
        typer.secho(f"{said}\nNothing was sent.", err=True, fg="red")
        raise typer.Exit(1) from None
    except (IngestUnavailable, ApiError, ValueError) as error:
        todo = _what_to_do(error, dry_run=dry_run)
        typer.secho(f"{str(error).rstrip('.')}. {todo}", err=True, fg="red")
        raise typer.Exit(1) from None
    if not dry_run:
        resume_point.remove()
    _print_report(report, unread_rows(found), dry_run=dry_run)


def _check_options(key: str | None, mapping: Path | None, therapist: str | None) -> None:
    if key and not (key.isascii() and key.isprintable()):
        raise typer.BadParameter(
            "the key holds characters that no key has: copy it again", param_hint="--key"
        )
    if mapping is not None and therapist is not None:
        raise typer.BadParameter("--mapping names the therapist, where no column does: leave out --therapist")


def _what_to_do(error: Exception, *, dry_run: bool) -> str:
    from services.cli.client.api_client import ApiError
    from services.cli.client.send_ratings import IngestUnavailable

    if dry_run:
        return "Nothing was sent."
    if isinstance(error, IngestUnavailable):
        return "Run the same command again once ingest answers: it goes on where it ended."
    if isinstance(error, ApiError) and error.is_about_key:
        return (
            "Give a key that may send for this practice (--key or RAPPORT_KEY); `rapport practices list` has"
            " all. What was sent before is not sent again."
        )
    return "Once that is mended, the command goes on where it ended."


def _send(
    client: "ApiClient",
    ratings: "list[RatingToSend]",
    resume_point: "_ResumePoint",
    *,
    rate: float | None,
    history: bool,
    dry_run: bool,
) -> "DeliveryReport":
    from schemas.correction_warnings import FileRating, correction_warnings
    from services.cli.client.send_ratings import DeliveryReport, send_ratings
    from services.runtime.process.progress_bar import progress_bar

    report = DeliveryReport()
    skipped = 0 if dry_run else resume_point.read()
    if skipped:
        typer.echo(
            f"Resuming after the {skipped} ratings that an interrupted run sent (--from-start sends all)."
        )
    sent = (FileRating(one.line, one.practice, one.body) for one in ratings)
    _print_warnings(list(correction_warnings(sent)))
    with progress_bar("ratings sent", len(ratings), skipped) as advance:

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
    return report


def _print_ratings(found: "RatingFile") -> None:
    for rating in found.ratings:
        body = rating.body.decode()
        named = f'{{"practice": {json.dumps(rating.practice)}, "rating": {body}}}'
        typer.echo(named if rating.practice else body)


def _print_warnings(warnings: list[str]) -> None:
    for warning in warnings[:REFUSALS_SHOWN]:
        typer.secho(warning, err=True, fg="yellow")
    if len(warnings) > REFUSALS_SHOWN:
        typer.secho(f"… and {len(warnings) - REFUSALS_SHOWN} more such lines", err=True, fg="yellow")


def _print_report(report: "DeliveryReport", unread: int, *, dry_run: bool) -> None:
    checked, accepted = ("checked, none sent", "valid") if dry_run else ("sent", "accepted")
    refused = report.done - report.accepted
    typer.echo(f"{report.done} {checked} = {report.accepted} {accepted} + {refused} refused")
    for line, reason in report.refused_lines[:REFUSALS_SHOWN]:
        typer.echo(f"  line {line}: {reason}")
    if len(report.refused_lines) > REFUSALS_SHOWN:
        typer.echo(f"  … and {len(report.refused_lines) - REFUSALS_SHOWN} more")
    if unread:
        typer.echo(f"  rows in which a rating is not valid and was left out, as said above: {unread}")
    if report.refused_lines or unread:
        raise typer.Exit(3)


class _ResumePoint:
    """The number of ratings of a file that an interrupted run sent; removed once a run is complete."""

    def __init__(self, home: Path, file: Path, practice: str | None, options: "ReadingOptions") -> None:
        from schemas.rating_tables.reading_options import GUESS_ALL

        # Another way of reading gives other ratings, so their number says nothing.
        read = "" if options == GUESS_ALL else repr(options)
        digest = hashlib.sha256(file.read_bytes() + f"{practice or ''}{read}".encode()).hexdigest()[:16]
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
