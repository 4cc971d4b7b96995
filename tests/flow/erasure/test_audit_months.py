"""The logs of who did what are divided by months, and services still only add to them."""

import re
from collections.abc import Iterator
from pathlib import Path

import psycopg
import pytest

from services.runtime.postgres.audit_months import _OUTSIDE, check_audit_months
from services.runtime.postgres.migrations import migrate
from services.runtime.process.cli_plugin import Verdict
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
(MOVE,) = re.findall(
    r"```sql\n(BEGIN;\nLOCK TABLE detector\.audit .*?)```", Path("docs/operating.md").read_text(), re.DOTALL
)
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


async def test_doctor_names_rows_outside_all_months_and_the_documented_statements_move_them(
    divided: tuple[psycopg.Connection, str],
) -> None:
    conn, schema = divided
    conn.execute(ADD.format(schema=schema).encode(), ([0, 31],))
    at_first = await _check(conn, schema)
    # As where nothing made the next months in time, and a clock was ahead.
    for (part,) in conn.execute(PARTS, (schema,)).fetchall():
        if part not in {"audit_before", "audit_other"}:
            conn.execute(f"DROP TABLE {schema}.{part}".encode())
    conn.execute(ADD.format(schema=schema).encode(), ([1, 80, 900],))
    filled: dict[str, int] = dict(conn.execute(FILLED.format(schema=schema).encode()).fetchall())
    outside = filled[f"{schema}.audit_other"]
    named = await _check(conn, schema)
    conn.execute(f"SELECT {schema}.delete_old_audit(now(), 100)".encode())
    by_itself = await _check(conn, schema)
    before = _rows(conn, schema)
    conn.execute(MOVE.replace("detector.", f"{schema}.").encode())
    moved = await _check(conn, schema)

    assert at_first == (Verdict.GOOD, "every row is in its month")
    assert outside in {2, 3}  # tomorrow may still belong to the first partition
    said = f"rows are in {schema}.audit_other: none is deleted there, and their months are not made"
    assert named == by_itself == (Verdict.BAD, f"{outside} {said}")
    assert moved == (Verdict.BAD, f"1 {said}")
    assert _rows(conn, schema) == before


async def test_doctor_counts_rows_before_the_first_month(divided: tuple[psycopg.Connection, str]) -> None:
    conn, schema = divided
    conn.execute(f"DROP TABLE {schema}.audit_before".encode())
    conn.execute(ADD.format(schema=schema).encode(), ([-500],))
    verdict, said = await _check(conn, schema)
    assert (verdict, said.split()[0]) == (Verdict.BAD, "1")


async def test_doctor_reads_no_month_and_needs_no_right_on_one(
    divided: tuple[psycopg.Connection, str],
) -> None:
    conn, schema = divided
    conn.execute(f"GRANT USAGE ON SCHEMA {schema} TO {ROLE}; SET ROLE {ROLE}".encode())
    plan = conn.execute(f"EXPLAIN (ANALYZE, COSTS off) {_OUTSIDE.format(schema=schema)}".encode()).fetchall()
    conn.execute("RESET ROLE")
    scans = [line for (line,) in plan if "Scan" in line and " on audit_" in line]
    scanned = [line.split(" on ")[1].split()[0] for line in scans if "never executed" not in line]
    assert set(scanned) <= {"audit_other"}
    assert len(scans) > 4


async def _check(conn: psycopg.Connection, schema: str) -> tuple[Verdict, str]:
    async with await psycopg.AsyncConnection.connect(conn.info.dsn) as other:
        result = await check_audit_months(other, schema)
    return result.verdict, result.found


def _rows(conn: psycopg.Connection, schema: str) -> list[tuple[object, ...]]:
    return conn.execute(f"SELECT * FROM {schema}.audit ORDER BY audit_id".encode()).fetchall()


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
