"""`rapport schemas`: writes, checks and releases the published contracts."""

from importlib.metadata import version as installed_version
from pathlib import Path
from typing import Annotated

import typer

schemas = typer.Typer(no_args_is_help=True, help="The published contracts: write, check or release them.")

Folder = Annotated[
    Path | None, typer.Option(help="Folder of the documents (default: schemas/published of this source).")
]
Version = Annotated[str | None, typer.Argument(help="Such as 0.2.0 (default: the version of this package).")]


@schemas.command()
def export(folder: Folder = None) -> None:
    """Write JSON Schemas, AsyncAPI and OpenAPI documents from the code.

    Example:

      rapport schemas export && git diff schemas/published
    """
    from schemas import export as publish
    from services.cli.openapi_documents import openapi_documents
    from services.cli.plugins import installed

    into = folder or publish.PUBLISHED
    for file in publish.export(into, openapi_documents(installed())):
        typer.echo(file.relative_to(into).as_posix())


@schemas.command()
def check(folder: Folder = None) -> None:
    """Compare the code with the published documents, and with the newest release.

    Exit code 1 and one sentence for each document that is out of date and for each change that breaks
    those who rely on the release.
    """
    from schemas import export as publish
    from schemas import releases
    from services.cli.openapi_documents import openapi_documents
    from services.cli.plugins import installed

    problems = publish.check(folder or publish.PUBLISHED, openapi_documents(installed()))
    version = releases.newest_release()
    breaks = releases.breaking_since_release()
    if version is not None and breaks:
        problems += [*breaks, releases.advice(version)]
    for problem in problems:
        typer.secho(problem, err=True, fg="red")
    if problems:
        raise typer.Exit(1)
    typer.echo(f"The published contracts match the code and are compatible with release {version or 'none'}.")


@schemas.command()
def release(version: Version = None) -> None:
    """Keep the current contracts as those of a version; later changes must stay compatible with them.

    Example:

      rapport schemas release 0.2.0 && git add schemas/released
    """
    from schemas import releases

    try:
        typer.echo(releases.release(version or installed_version("rapport")))
    except releases.ReleaseRefused as refused:
        typer.secho(str(refused), err=True, fg="red")
        raise typer.Exit(1) from None


def register(app: typer.Typer) -> None:
    """Add the commands."""
    app.add_typer(schemas, name="schemas")
