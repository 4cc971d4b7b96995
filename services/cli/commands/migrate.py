"""`rapport migrate`: a database in, the same database with every service's tables up to date out."""

import typer


def migrate() -> None:
    """Bring the database's tables up to date. Run it before new versions of the services start.

    Examples:

      rapport migrate                                      (what `rapport up` runs)

      DATABASE_URL=postgresql://… rapport migrate
    """
    from services.cli.endpoints import find_endpoints
    from services.cli.plugins import services_with_tables
    from services.runtime.postgres.connect import conninfo
    from services.runtime.postgres.migrations import migrate as bring_up

    settings = find_endpoints().database
    for service in services_with_tables():
        bring_up(conninfo(settings, "migrate"), service)
        typer.echo(f"{service}: up to date")


def register(app: typer.Typer) -> None:
    """Add the command."""
    app.command()(migrate)
