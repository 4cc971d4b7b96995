"""Creates an index on a large table while its rows are written."""

from alembic import op


def create_beside_writers(schema: str, name: str, on: str, *, is_unique: bool = False) -> None:
    """Create the index `name` on a table and its columns, as SQL writes them after `ON`; block no writer.

    What an attempt that was cut off left behind is dropped first: PostgreSQL updates such an index with every
    row, and never reads it.
    """
    with op.get_context().autocommit_block():
        # It waits for the transactions that are open, and holds up none: nobody is served by a limit.
        op.execute("SET lock_timeout = 0")
        try:
            op.execute(f"DROP INDEX CONCURRENTLY IF EXISTS {schema}.{name}")
            op.execute(f"CREATE {'UNIQUE ' * is_unique}INDEX CONCURRENTLY {name} ON {schema}.{on}")
        finally:
            op.execute("RESET lock_timeout")
