"""Applies the pending migrations of one service through an open connection (Alembic's environment)."""

from collections.abc import Collection, Mapping
from typing import Any

from alembic import context
from alembic.runtime.migration import MigrationContext, MigrationInfo
from alembic.script import Script
from sqlalchemy import text

config = context.config
schema = config.attributes["schema"]


def set_runs_from(
    ctx: MigrationContext,
    step: MigrationInfo,
    heads: Collection[Any],  # noqa: ARG001 - as Alembic calls it
    run_args: Mapping[str, Any],  # noqa: ARG001
) -> None:
    """Store, in the transaction of a migration, the oldest revision whose services run on its tables.

    A migration that does not say it lets none from before run.
    """
    assert ctx.connection is not None  # noqa: S101 - nothing is migrated offline
    known = ctx.connection.execute(
        text("SELECT to_regclass(:name)"), {"name": f"{schema}.runs_from"}
    ).scalar()
    if known is None:
        return
    for script in step.up_revisions if step.is_upgrade else step.down_revisions:
        assert isinstance(script, Script)  # noqa: S101 - each revision is a file
        ctx.connection.execute(
            text(f"UPDATE {schema}.runs_from SET revision = :revision, version = :version"),
            {
                "revision": getattr(script.module, "runs_from", script.revision),
                "version": config.attributes["version"],
            },
        )


context.configure(
    connection=config.attributes["connection"],
    version_table="migration",
    version_table_schema=schema,
    # A failed migration leaves nothing half done, and no lock is held until the next one is through.
    transaction_per_migration=True,
    on_version_apply=set_runs_from,
)
with context.begin_transaction():
    context.run_migrations()
