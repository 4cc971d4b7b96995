"""`rapport score`, `rapport thresholds export`, `rapport rejected replay`; and the model's own commands."""

import asyncio
import os
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

if TYPE_CHECKING:
    from collections.abc import Sequence

    from services.detector.storage.rejections import Rejected

_SCORE_HELP = """
Score a table of ratings (CSV) with the detector's own code: no broker, no database.

Columns: client_id, therapist_id, session_id, session_at, instrument, item_1 …; optional practice_id, case_id,
id, status, next_session_at, recorded_at, and bond, goal, task instead of items. Several instruments may
stand in one file. Empty marks: the client gave no form.

Written are session_id, client_id, risk, alert, leading_component, bond, goal, task, episode and
model_version: one line per distinct rating, in the order of the file. `alert` is 1 while the risk is at or
over the threshold and an episode is open; `episode` says what the session did to it.

Example:

  rapport score ratings.csv --out scores.csv
"""


_LARGE = 50_000
"""Rows from which on a second process is worth the seconds that it takes to start."""


def register(app: typer.Typer) -> None:
    """Add the detector's commands."""
    from services.detector.cli.models import register as register_learning
    from services.detector.cli.preview import register as register_try

    thresholds = typer.Typer(no_args_is_help=True, help="The thresholds of practices.")
    rejected = typer.Typer(no_args_is_help=True, help="Records that could not be processed.")

    @thresholds.callback()
    def of_practices() -> None:
        """The thresholds of practices."""

    @rejected.callback()
    def records() -> None:
        """Records that could not be processed."""

    app.command(name="score", help=_SCORE_HELP)(score)
    thresholds.command(name="export")(export)
    rejected.command(name="replay")(replay)
    app.add_typer(thresholds, name="thresholds")
    app.add_typer(rejected, name="rejected")
    register_learning(app)
    register_try(app)


def score(
    file: Annotated[Path, typer.Argument(exists=True, dir_okay=False, help="CSV in UTF-8.")],
    out: Annotated[Path, typer.Option(help="Where to write the scores (CSV).")],
    settings: Annotated[
        Path | None,
        typer.Option(exists=True, help="Thresholds, as written by `rapport thresholds export`."),
    ] = None,
    model: Annotated[
        Path | None, typer.Option(help="Folder of a model; the shipped one when left out.")
    ] = None,
    processes: Annotated[
        int,
        typer.Option(min=0, help="Processes to score with; 0: two for a large table."),
    ] = 0,
) -> None:
    """Score a table of ratings."""
    from functools import partial

    from schemas.instruments.settings import InstrumentSettings
    from services.detector.files import threshold_file
    from services.detector.files.score_file import Workers, score_file
    from services.detector.model.artefact import SHIPPED, load
    from services.runtime.process.errors import Halt
    from services.runtime.process.progress_bar import progress_bars

    written = out.with_name(f".{out.name}.part")
    try:
        detector = load(model or SHIPPED)
        own = threshold_file.read(settings, detector.version) if settings else None
        rows = _lines(file)
        count = processes or (2 if rows >= _LARGE and (os.cpu_count() or 1) > 1 else 1)
        workers = Workers(count, partial(load, model or SHIPPED)) if count > 1 else None
        with written.open("w", encoding="utf-8", newline="") as target, progress_bars() as show:
            count = score_file(
                file,
                target,
                detector,
                InstrumentSettings().catalogue(),
                thresholds=own,
                progress=lambda what, row: show(what, row, rows),
                workers=workers,
            )
        written.replace(out)
    except UnicodeDecodeError:
        typer.secho(f"{file} is not UTF-8: save it as CSV in UTF-8.", err=True, fg="red")
        raise typer.Exit(1) from None
    except (ValueError, Halt) as bad:
        typer.secho(f"{bad}\nNothing was written.", err=True, fg="red")
        raise typer.Exit(1) from None
    finally:
        written.unlink(missing_ok=True)
    typer.echo(f"{count} ratings scored with {detector.version}: {out}")


def _lines(file: Path) -> int:
    with file.open("rb") as content:
        return sum(part.count(b"\n") for part in iter(lambda: content.read(1 << 20), b""))


def export(
    practice: Annotated[list[str], typer.Option(help="A practice; may be given several times.")],
    out: Annotated[Path, typer.Option(help="Where to write them (JSON).")],
) -> None:
    """Write practices' own thresholds, so that `rapport score --settings` scores a file as the stream would.

    Example:

      rapport thresholds export --practice north --out north.json
    """
    out.write_bytes(asyncio.run(_export(practice)))
    typer.echo(f"Written to {out}.")


async def _export(practices: list[str]) -> bytes:
    from services.detector.files import threshold_file
    from services.runtime.postgres.connect import connect
    from services.runtime.process.settings import DatabaseSettings

    conn = await connect(DatabaseSettings(), "rapport-thresholds")
    async with conn:
        return await threshold_file.export(conn, practices)


def replay(
    practice: Annotated[str | None, typer.Option(help="Only this practice's.")] = None,
    reason: Annotated[str | None, typer.Option(help="Only those rejected for this reason.")] = None,
    limit: Annotated[int, typer.Option(min=1, help="At most so many, the oldest first.")] = 10_000,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Only say what would be published.")] = False,
) -> None:
    """Publish rejected records once more, the same bytes under the same keys, after the cause was removed.

    The detector reads them as new deliveries: each is assessed, or rejected again. Those that were published
    again stay in the list of rejections, which tells what happened when.

    Example:

      rapport rejected replay --practice north --reason unknown-instrument
    """
    found = asyncio.run(_replay(practice, reason, limit, publish=not dry_run))
    said = "would be published again" if dry_run else "published again"
    for why in sorted({one.reason for one in found}):
        typer.echo(f"{sum(one.reason == why for one in found)} {said}: {why}")
    if not found:
        typer.echo("There is nothing to publish again.")


async def _replay(
    practice: str | None, reason: str | None, limit: int, *, publish: bool
) -> "Sequence[Rejected]":
    from services.detector.storage.rejections import read_rejected
    from services.runtime.kafka.producer import Producer
    from services.runtime.postgres.connect import connect
    from services.runtime.process.settings import DatabaseSettings, KafkaSettings

    conn = await connect(DatabaseSettings(), "rapport-replay")
    async with conn:
        found = await read_rejected(conn, tenant=practice, reason=reason, limit=limit)
    if publish and found:
        producer = Producer(KafkaSettings())
        await producer.start()
        try:
            await producer.send_all([one.outgoing for one in found])
        finally:
            await producer.stop()
    return found
