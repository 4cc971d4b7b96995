"""`rapport connect`: walks a person through connecting a practice, with the other commands."""

import os
import shlex
import subprocess
import sys
from pathlib import Path
from typing import Annotated, NoReturn

import typer

BY_HAND = """This command asks questions, so it needs a terminal. What it does, without questions:

  rapport practices add {practice} --set mode=observe
  rapport try FILE --write-mapping {practice}.toml
  RAPPORT_KEY=rpt_… rapport send FILE --practice {practice} --mapping {practice}.toml --dry-run
  RAPPORT_KEY=rpt_… rapport send FILE --practice {practice} --mapping {practice}.toml --history
  rapport observed {practice} --out page.html
  rapport practices set {practice} --set mode=live"""
_REFUSED = 3
"""The exit code of `rapport send` when some ratings were refused."""

_NO_OPTION = 2
"""The exit code of a command that was given an option or an argument that it does not have."""


def connect(
    practice: Annotated[str, typer.Argument(help="The practice's id.")] = "my-practice",
    key: Annotated[
        str | None, typer.Option(envvar="RAPPORT_KEY", help="The practice's key; default: add the practice.")
    ] = None,
) -> None:
    """Connect a practice step by step: key, first file, columns, dry run, sending, and observing first.

    Each step shows the command that it runs, and asks before anything is stored or sent. A practice that is
    added here observes first: no therapist is told anything until you set it live.

    Examples:

      rapport connect my-practice

      RAPPORT_KEY=rpt_… rapport connect my-practice
    """
    from schemas.rating_tables.canonical_table import is_canonical
    from services.cli.client.first_rating import first_rating_request
    from services.cli.commands.practices import check_id_given
    from services.cli.endpoints import find_endpoints
    from services.runtime.process.progress_bar import on_terminal

    check_id_given(practice)
    if not on_terminal():
        typer.secho(BY_HAND.format(practice=practice), err=True, fg="red")
        raise typer.Exit(2)
    ingest_url = find_endpoints().url("ingest")
    _title(1, "The key")
    added = key is None
    key = key or _add(practice)
    _title(2, "A first file of ratings")
    file = _ask_file()
    if file is None:
        typer.echo(
            "Then send a first rating from your program, as this line does; 202 means that it is stored:\n"
        )
        typer.echo(first_rating_request(ingest_url, "$RAPPORT_KEY"))
        typer.echo(
            "\nYour program can try everything out on made-up data first, in a sandbox that is erased every"
            f" night (docs/sandbox.md):\n\n  rapport sandboxes add {practice}"
        )
        _end(practice, added=added)
    named = Path(f"{practice}.toml")
    page = file.with_suffix(".html")
    _title(3, "How it is read, and what would have been told")
    mapping = _try(file, page, None if is_canonical(file) else named, named)
    _title(4, "A dry run")
    send = ["send", str(file), "--practice", practice, *(["--mapping", str(mapping)] if mapping else [])]
    if _run([*send, "--dry-run"], key) not in {0, _REFUSED}:
        _stop()
    _title(5, "Sending")
    typer.confirm("Send these ratings as history, which tells nobody anything?", abort=True)
    if _run([*send, "--history"], key) not in {0, _REFUSED}:
        _stop()
    _end(practice, added=added, mapping=mapping)


def _add(practice: str) -> str:
    from services.cli.commands.practices import add_practice

    typer.confirm(
        f"Add {practice} and create its key? It observes first: nobody is told anything.", abort=True
    )
    typer.secho(f"$ rapport practices add {practice} --set mode=observe", dim=True)

    def show(key: str | None) -> None:
        typer.echo(f"Its key is shown only once; keep it for your program:\n\n  export RAPPORT_KEY={key}")

    secret = add_practice(practice, ["mode=observe"], show)
    if secret is None:
        raise AssertionError("without a network, each practice gets a key")
    return secret


def _ask_file() -> Path | None:
    while True:
        named = typer.prompt("A file with ratings (Enter: none yet)", default="", show_default=False).strip()
        file = Path(named).expanduser()
        if not named:
            return None
        if file.is_file():
            return file
        typer.secho(f"{file} is no file.", fg="yellow")


def _try(file: Path, page: Path, own: Path | None, mapping: Path) -> Path | None:
    """Show how the file is read until somebody agrees, each time with the options that they add.

    Return the mapping that keeps it: `own`, which is None for a table in the documented form, unless options
    were added; then `mapping`.
    """
    words: list[str] = []
    typed: list[str] = []
    while True:
        kept = ["--write-mapping", str(own)] if own else []
        code = _run(["try", str(file), "--out", str(page), *kept, *words])
        if code == _NO_OPTION:
            words = words[: len(words) - len(typed)]
        typed = _ask_options(is_read=code == 0)
        if not typed and code == 0:
            return own
        if not typed:
            _stop()
        words, own = words + typed, mapping


def _ask_options(*, is_read: bool) -> list[str]:
    question = (
        "Press Enter if the columns are right; else type options, such as --map client_id=PatientNo"
        if is_read
        else "Type options, such as --map client_id=PatientNo (Enter: stop here)"
    )
    while True:
        try:
            return shlex.split(typer.prompt(question, default="", show_default=False))
        except ValueError:
            typer.secho("A quotation mark is not closed.", fg="yellow")


def _run(words: list[str], key: str | None = None) -> int:
    """Run a command of Rapport on this terminal; return its exit code."""
    typer.secho(f"$ rapport {shlex.join(words)}", dim=True)
    sys.stdout.flush()
    # The key is in the environment: a command line can be read by everybody on this machine.
    environment = {**os.environ, **({"RAPPORT_KEY": key} if key else {})}
    program = [sys.executable, "-m", "services.cli"]
    return subprocess.run([*program, *words], env=environment, check=False).returncode


def _title(number: int, text: str) -> None:
    typer.secho(f"\n{number} of 6: {text}", bold=True)


def _stop() -> NoReturn:
    typer.secho("Stopped here. `rapport connect` can be run again with RAPPORT_KEY set.", err=True, fg="red")
    raise typer.Exit(1)


def _end(practice: str, *, added: bool, mapping: Path | None = None) -> NoReturn:
    _title(6, "Observing, then live")
    observing = (
        f"{practice} observes: its ratings are assessed, and no therapist is told anything."
        if added
        else "The practice's mode is as it was. To let it observe before any therapist is told anything:\n\n"
        f"  rapport practices set {practice} --set mode=observe"
    )
    later = f" --mapping {mapping}" if mapping else ""
    typer.echo(
        f"{observing}\n\nWhat its therapists would have been told since it observes:\n\n"
        f"  rapport observed {practice} --out observed.html\n\nThe next file, and going live:\n\n"
        f"  rapport send FILE --practice {practice}{later}\n"
        f"  rapport practices set {practice} --set mode=live\n\nDone."
    )
    raise typer.Exit(0)


def register(app: typer.Typer) -> None:
    """Add the command."""
    app.command()(connect)
