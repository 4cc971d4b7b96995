"""Checks where a command is to write before it begins its work."""

from pathlib import Path

import typer


def check_out(out: Path | None, option: str = "--out", *, source: Path | None = None) -> None:
    """Check that a file can stand there, and that it is not the one that is read; None is none.

    Raises:
        typer.BadParameter: it cannot; the message says why.
    """
    if out is None:
        return
    if out.is_dir():
        raise typer.BadParameter(f"{out} is a folder: name a file in it", param_hint=option)
    if not out.parent.is_dir():
        raise typer.BadParameter(f"there is no folder {out.parent}: make it first", param_hint=option)
    if source is not None and out.exists() and out.samefile(source):
        raise typer.BadParameter(f"{out} is the file that is read: name another one", param_hint=option)
