"""Applies the pending migrations of one service through an open connection (Alembic's environment)."""

from alembic import context

config = context.config
schema = config.attributes["schema"]

context.configure(
    connection=config.attributes["connection"],
    version_table="migration",
    version_table_schema=schema,
    # One transaction for all pending migrations: a failed one leaves nothing half done.
    transaction_per_migration=False,
)
with context.begin_transaction():
    context.run_migrations()
