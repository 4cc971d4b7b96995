"""The command `rapport observed`: writes what a practice that observes would have been told."""

from datetime import UTC, datetime
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from services.detector.cli.database import run_with_database

if TYPE_CHECKING:
    from services.detector.preview.observed import ObservedTime
    from services.detector.received import Rated
    from services.runtime.postgres.connect import Connection

_HELP = """
Write one page that says what a practice would have been told while it observed.

It is the page of `rapport try` on the ratings that the practice has sent. Its
time begins when the practice began to observe and ends when it went live, or
now; earlier sessions are the clients' history. Nothing is told to anybody by
this command, and nothing on the page is told after going live.

Example:

  rapport observed north --out north.html --json north.json
"""


def register(app: typer.Typer) -> None:
    """Add the command."""
    app.command(name="observed", help=_HELP)(observed)


def observed(
    practice: Annotated[str, typer.Argument(help="The practice's id.")],
    out: Annotated[Path, typer.Option(help="Where to write the page.")],
    *,
    json: Annotated[Path | None, typer.Option(help="Where to write figures and episodes as JSON.")] = None,
    since: Annotated[str | None, typer.Option(help="Begin after this time (UTC) instead.")] = None,
    model: Annotated[
        Path | None, typer.Option(help="Folder of the model; default: the shipped model.")
    ] = None,
) -> None:
    """Write the page."""
    from schemas.instruments.settings import InstrumentSettings
    from services.detector.model.artefact import SHIPPED, load
    from services.detector.preview.page import render
    from services.detector.preview.pipeline import NothingObserved, observe
    from services.runtime.process.errors import Halt
    from services.runtime.process.moment_option import since_in_utc
    from services.runtime.process.out_option import check_out
    from services.runtime.process.progress_bar import progress_bars

    begin = since_in_utc(since)
    check_out(out)
    check_out(json, "--json")
    try:
        time, ratings = run_with_database(partial(_read, practice=practice, since=begin))
        with progress_bars() as bar:
            contents = observe(
                ratings,
                time,
                load(model or SHIPPED),
                InstrumentSettings().catalogue(),
                partial(bar, "courses"),
            )
    except (NothingObserved, Halt) as error:
        typer.secho(f"{error}\nNothing was written.", err=True, fg="red")
        raise typer.Exit(1) from None
    out.write_text(render(contents), encoding="utf-8")
    if json is not None:
        json.write_text(contents.to_json(), encoding="utf-8")
    typer.echo(f"{contents.figures.in_words}. The page: {out}")


async def _read(
    conn: "Connection", practice: str, since: datetime | None
) -> "tuple[ObservedTime, list[Rated]]":
    from services.detector.preview.observed import ObservedTime
    from services.detector.storage.audit_log import record_acts
    from services.detector.storage.practices import read_observed_time
    from services.detector.storage.ratings import read_of_practice
    from services.runtime.process.cli_plugin import OperatorAct
    from services.runtime.process.errors import Halt

    found = await read_observed_time(conn, practice)
    if found is None:
        raise Halt(f"there is no practice {practice}")
    observing_since, live_from = found
    begin = since or observing_since
    if begin is None:
        raise Halt(f"{practice} has never observed: choose the time to look at with --since")
    until = live_from or datetime.now(UTC)
    await record_acts(conn, [OperatorAct(practice, "observed-exported")])
    return ObservedTime(practice, begin, until), await read_of_practice(conn, practice)
