"""`rapport migrate`: brings every service's tables up to date."""

import typer


def migrate() -> None:
    """Bring the database's tables up to date. Run it before you start a new version of the services.

    Examples:

      rapport migrate                                      (the database of `rapport up`)

      DATABASE_URL=postgresql://… rapport migrate
    """
    from services.cli.endpoints import find_endpoints
    from services.cli.plugins import services_with_tables
    from services.runtime.postgres.connect import conninfo
    from services.runtime.postgres.migrations import migrate as migrate_service

    settings = find_endpoints().database
    for service in services_with_tables():
        migrate_service(conninfo(settings, "migrate"), service)
        typer.echo(f"{service}: up to date")


def register(app: typer.Typer) -> None:
    """Add the command."""
    app.command()(migrate)
