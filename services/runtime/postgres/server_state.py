"""Reads what operators want to know of the database itself: its size, and when it was last copied."""

from services.runtime.postgres.connect import Connection

_BYTES = """
SELECT nspname, coalesce(sum(pg_total_relation_size(c.oid)), 0)
FROM pg_namespace n LEFT JOIN pg_class c ON relnamespace = n.oid AND relkind IN ('r', 'm')
WHERE nspname::text IN (%(schema)s::text, %(schema)s::text || '_jobs') GROUP BY nspname
"""
# A new connection begins with what `base_backup.sh` stored in the database's settings.
_BACKUP = """
SELECT nullif(current_setting('rapport.backed_up_at', true), '')::float8,
    extract(epoch FROM last_archived_time)::float8
FROM pg_stat_archiver
"""


async def schema_bytes(connection: Connection, schema: str) -> list[tuple[str, float]]:
    """Return the bytes of the tables of a service and of its jobs, with their indexes, by schema."""
    rows = await connection.execute(_BYTES, {"schema": schema})
    return [(str(name), float(held)) for name, held in await rows.fetchall()]


async def backup_times(connection: Connection) -> tuple[float | None, float | None]:
    """Return when the database was last copied and when its log was last archived, in seconds since 1970."""
    row = await (await connection.execute(_BACKUP)).fetchone()
    return (None, None) if row is None else (row[0], row[1])
