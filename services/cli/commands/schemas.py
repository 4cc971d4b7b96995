"""`rapport schemas`: the contracts in, the published documents out, or what they differ in."""

from pathlib import Path
from typing import Annotated

import typer

schemas = typer.Typer(no_args_is_help=True, help="The published contracts: write them anew, or check them.")

Folder = Annotated[
    Path | None, typer.Option(help="Where the documents lie (default: schemas/published of this source).")
]


@schemas.command()
def export(folder: Folder = None) -> None:
    """Write JSON Schemas, AsyncAPI and OpenAPI documents from the code.

    Example:

      rapport schemas export && git diff schemas/published
    """
    from schemas import export as publish
    from services.cli.openapi_documents import openapi_documents

    into = folder or _published()
    for file in publish.export(into, openapi_documents()):
        typer.echo(file.relative_to(into).as_posix())


@schemas.command()
def check(folder: Folder = None) -> None:
    """Compare the published documents with the code; exit code 1 and a sentence for each difference."""
    from schemas import export as publish
    from services.cli.openapi_documents import openapi_documents

    drifts = publish.check(folder or _published(), openapi_documents())
    for drift in drifts:
        typer.secho(drift, err=True, fg="red")
    if drifts:
        raise typer.Exit(1)
    typer.echo("The published contracts are those of the code.")


def _published() -> Path:
    import schemas as contracts

    return Path(contracts.__file__ or "").resolve().parent / "published"


def register(app: typer.Typer) -> None:
    """Add the commands."""
    app.add_typer(schemas, name="schemas")
