"""Applies the pending migrations of one service through an open connection (Alembic's environment)."""

from alembic import context

config = context.config
schema = config.attributes["schema"]

context.configure(
    connection=config.attributes["connection"],
    version_table="migration",
    version_table_schema=schema,
    # A failed migration leaves nothing half done, and no lock is held until the next one is through.
    transaction_per_migration=True,
)
with context.begin_transaction():
    context.run_migrations()
