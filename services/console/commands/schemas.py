"""`rapport schemas`: the contracts in, the published documents out, or what they differ in."""

import typer

schemas = typer.Typer(no_args_is_help=True, help="The published contracts: write them anew, or check them.")


def register(app: typer.Typer) -> None:
    """Add the commands."""
    app.add_typer(schemas, name="schemas")
