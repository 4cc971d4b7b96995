"""The logs of who did what are divided by months, and services still only add to them."""

from collections.abc import Iterator

import psycopg
import pytest

from services.runtime.postgres.migrations import migrate
from tests.support.postgres import fresh_database

BEFORE = {"detector": "0026", "notifier": "0023"}
ROLE = "months_service"
ADD = """
INSERT INTO {schema}.audit (at, practice_id, actor, action, detail)
SELECT now() + make_interval(days => n), 'north', 'key', 'read', '' FROM unnest(%s::int[]) AS n
"""
PARTS = """
SELECT relname FROM pg_class WHERE relnamespace = %s::regnamespace AND relispartition AND relkind = 'r'
"""
FILLED = "SELECT tableoid::regclass::text, count(*) FROM {schema}.audit GROUP BY 1"
GRANTED = """
SELECT privilege_type FROM pg_class, aclexplode(relacl)
WHERE pg_class.oid = %s::regclass AND grantee = %s::regrole ORDER BY 1
"""


@pytest.fixture(params=BEFORE)
def divided(postgres_url: str, request: pytest.FixtureRequest) -> Iterator[tuple[psycopg.Connection, str]]:
    """A log of two rows that was divided after a service had been given rights on all future tables."""
    schema = request.param
    with fresh_database(postgres_url) as url, psycopg.connect(url, autocommit=True) as conn:
        migrate(url, schema, BEFORE[schema])
        conn.execute(f"CREATE ROLE {ROLE}".encode())
        try:
            conn.execute(f"GRANT SELECT, INSERT ON {schema}.audit TO {ROLE}".encode())
            conn.execute(
                f"ALTER DEFAULT PRIVILEGES IN SCHEMA {schema} GRANT ALL ON TABLES TO {ROLE}".encode()
            )
            conn.execute(ADD.format(schema=schema).encode(), ([-500, -1],))
            migrate(url, schema)
            yield conn, schema
        finally:
            conn.execute(f"DROP OWNED BY {ROLE}; DROP ROLE {ROLE}".encode())


def test_rows_stay_and_new_ones_go_to_their_months_or_to_the_last_partition(
    divided: tuple[psycopg.Connection, str],
) -> None:
    conn, schema = divided
    conn.execute(ADD.format(schema=schema).encode(), ([0, 60, 900],))
    filled: dict[str, int] = dict(conn.execute(FILLED.format(schema=schema).encode()).fetchall())
    assert (filled[f"{schema}.audit_before"], filled[f"{schema}.audit_other"], len(filled)) == (3, 1, 3)
    ids = conn.execute(f"SELECT audit_id FROM {schema}.audit ORDER BY audit_id".encode()).fetchall()
    assert ids == [(1,), (2,), (3,), (4,), (5,)]


def test_a_service_only_adds_and_has_no_right_on_any_month(divided: tuple[psycopg.Connection, str]) -> None:
    conn, schema = divided
    granted = {
        name: [right for (right,) in conn.execute(GRANTED, (f"{schema}.{name}", ROLE)).fetchall()]
        for name in ("audit", *(part for (part,) in conn.execute(PARTS, (schema,)).fetchall()))
    }
    assert granted.pop("audit") == ["INSERT", "SELECT"]
    assert len(granted) > 3
    assert set(map(tuple, granted.values())) == {()}


def test_a_month_that_is_over_is_dropped_and_a_year_is_spared(
    divided: tuple[psycopg.Connection, str],
) -> None:
    conn, schema = divided
    (bounds,) = conn.execute(
        "SELECT pg_get_expr(relpartbound, oid) FROM pg_class WHERE oid = %s::regclass",
        (f"{schema}.audit_before",),
    ).fetchone() or ("",)
    old = "FOR VALUES FROM ('2020-01-01') TO ('2020-02-01')"
    for statement in (
        "ALTER TABLE {s}.audit DETACH PARTITION {s}.audit_before",
        "CREATE TABLE {s}.audit_2020_01 PARTITION OF {s}.audit " + old,
        "ALTER TABLE {s}.audit ATTACH PARTITION {s}.audit_before "
        + bounds.replace("MINVALUE", "'2020-02-01'"),
        (
            "INSERT INTO {s}.audit (at, practice_id, actor, action, detail)"
            " VALUES ('2020-01-05', 'north', 'key', 'read', '')"
        ),
    ):
        conn.execute(statement.format(s=schema).encode())
    ask = f"SELECT {schema}.delete_old_audit(now(), 100)".encode()
    assert conn.execute(ask).fetchone() == (1,)
    assert "audit_2020_01" not in {part for (part,) in conn.execute(PARTS, (schema,)).fetchall()}
    assert conn.execute(ask).fetchone() == (1,)  # the row of 500 days ago, in the first partition
    assert conn.execute(ask).fetchone() == (0,)
    assert conn.execute(f"SELECT count(*) FROM {schema}.audit".encode()).fetchone() == (1,)
