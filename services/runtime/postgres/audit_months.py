"""Checks for `rapport doctor` that every row of a log of who did what is in its month."""

from services.runtime.process.cli_plugin import CheckResult, Connection, Verdict

# The bounds are read first, so that PostgreSQL scans no month; and only the tables' owner may read the last
# partition by its name.
_OUTSIDE = """
WITH bound AS (
    SELECT pg_get_expr(c.relpartbound, c.oid) AS said FROM pg_inherits i JOIN pg_class c ON c.oid = i.inhrelid
    WHERE i.inhparent = '{schema}.audit'::regclass
)
SELECT (SELECT count(*) FROM {schema}.audit WHERE at >= (
        SELECT max(substring(said FROM 'TO \\(''([^'']+)''')::timestamptz) FROM bound
    )) + (SELECT count(*) FROM {schema}.audit WHERE at < (
        SELECT min(substring(said FROM 'FROM \\(''([^'']+)''')::timestamptz) FROM bound
        HAVING NOT bool_or(said LIKE '%FROM (MINVALUE)%')
    ))
"""


async def check_audit_months(conn: Connection, schema: str) -> CheckResult:
    """Count the rows of `schema`.audit that are in no month, and so in the partition `audit_other`."""
    row = await (await conn.execute(_OUTSIDE.format(schema=schema).encode())).fetchone()
    outside = row[0] if row is not None else 0
    name = f"audit log of {schema}"
    if not outside:
        return CheckResult(name, Verdict.GOOD, "every row is in its month")
    return CheckResult(
        name,
        Verdict.BAD,
        f"{outside} rows are in {schema}.audit_other: none is deleted there, and their months are not made",
        "move them as docs/operating.md says (How long rows are kept)",
    )
