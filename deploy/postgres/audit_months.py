"""Divides a log of who did what by months: a month that is over is dropped and not deleted row by row.

What a log holds becomes its first partition as it is; no row is copied. The function by which services delete
old rows makes the next months, too, and drops those that are over.
"""

from typing import Any

import psycopg
from alembic import op
from psycopg import sql

from deploy.postgres.large_indexes import create_beside_writers
from deploy.postgres.plain_name import plain_name
from deploy.postgres.table_copy import give_rights, patiently, without_autovacuum

_LIMIT = """
DO $$
BEGIN
    IF NOT EXISTS (SELECT FROM pg_constraint WHERE conname = 'audit_until') THEN
        EXECUTE format('ALTER TABLE {schema}.audit ADD CONSTRAINT audit_until CHECK (at < %L) NOT VALID',
            date_trunc('month', now(), 'UTC') + interval '2 months');
    END IF;
END $$;
"""
_DIVIDE = """
LOCK TABLE {schema}.audit IN ACCESS EXCLUSIVE MODE;
ALTER TABLE {schema}.audit RENAME TO audit_before;
ALTER TABLE {schema}.audit_before ALTER audit_id DROP IDENTITY, DROP CONSTRAINT audit_pkey;
ALTER TABLE {schema}.audit_before ADD CONSTRAINT audit_before_pkey PRIMARY KEY USING INDEX audit_before_key;
ALTER INDEX {schema}.audit_of_practice RENAME TO audit_before_of_practice;
ALTER INDEX {schema}.audit_of_{of} RENAME TO audit_before_of_{of};
CREATE TABLE {schema}.audit (LIKE {schema}.audit_before INCLUDING DEFAULTS, PRIMARY KEY (at, audit_id))
    PARTITION BY RANGE (at);
ALTER TABLE {schema}.audit ALTER audit_id ADD GENERATED ALWAYS AS IDENTITY;
SELECT setval(pg_get_serial_sequence('{schema}.audit', 'audit_id'),
    (SELECT coalesce(max(audit_id), 0) + 1 FROM {schema}.audit_before), false);
CREATE INDEX audit_of_practice ON {schema}.audit (practice_id, at);
CREATE INDEX audit_of_{of} ON {schema}.audit ({of}_id) WHERE {of}_id IS NOT NULL;
DO $$
BEGIN
    EXECUTE format('ALTER TABLE {schema}.audit ATTACH PARTITION {schema}.audit_before'
        ' FOR VALUES FROM (MINVALUE) TO (%L)', substring(
            (SELECT pg_get_constraintdef(oid) FROM pg_constraint WHERE conname = 'audit_until'
                AND conrelid = '{schema}.audit_before'::regclass) FROM '''([^'']+)'''));
END $$;
ALTER TABLE {schema}.audit_before DROP CONSTRAINT audit_until, RESET (autovacuum_enabled);
DROP INDEX {schema}.audit_by_time;
"""
# Months ahead are made while they are empty. Where one could not be made in time, its rows are in the last
# partition, and nothing is refused. Nobody but the owner has rights on a partition by itself.
_MONTHS = """
CREATE OR REPLACE FUNCTION {schema}.make_audit_months() RETURNS void
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp SET lock_timeout = '1s' AS $$
DECLARE
    month timestamptz := (SELECT max(substring(pg_get_expr(c.relpartbound, c.oid) FROM 'TO \\(''([^'']+)''')
        ::timestamptz) FROM pg_inherits i JOIN pg_class c ON c.oid = i.inhrelid
        WHERE i.inhparent = '{schema}.audit'::regclass);
    part text;
    somebody regrole;
BEGIN
    WHILE month < now() + interval '3 months' LOOP
        part := '{schema}.audit_' || to_char(month AT TIME ZONE 'UTC', 'YYYY_MM');
        EXECUTE format('CREATE TABLE %s (LIKE {schema}.audit INCLUDING DEFAULTS)', part);
        FOR somebody IN SELECT DISTINCT grantee::regrole FROM pg_class, aclexplode(relacl)
            WHERE pg_class.oid = part::regclass AND grantee NOT IN (0, relowner)
        LOOP
            EXECUTE format('REVOKE ALL ON %s FROM %s', part, somebody);
        END LOOP;
        EXECUTE format('ALTER TABLE {schema}.audit ATTACH PARTITION %s FOR VALUES FROM (%L) TO (%L)',
            part, month, (month AT TIME ZONE 'UTC' + interval '1 month') AT TIME ZONE 'UTC');
        month := (month AT TIME ZONE 'UTC' + interval '1 month') AT TIME ZONE 'UTC';
    END LOOP;
EXCEPTION
    -- Tomorrow is early enough; or rows of that month are in the last partition already.
    WHEN lock_not_available OR check_violation THEN NULL;
END $$;
REVOKE ALL ON FUNCTION {schema}.make_audit_months() FROM PUBLIC;

CREATE OR REPLACE FUNCTION {schema}.delete_old_audit(before timestamptz, at_most integer) RETURNS bigint
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp SET lock_timeout = '1s' AS $$
DECLARE
    over timestamptz := least(before, now() - interval '365 days');
    part regclass;
    deleted bigint := 0;
    dropped bigint;
BEGIN
    PERFORM {schema}.make_audit_months();
    FOR part IN SELECT c.oid FROM pg_inherits i JOIN pg_class c ON c.oid = i.inhrelid
        WHERE i.inhparent = '{schema}.audit'::regclass AND c.relname <> 'audit_before'
            AND substring(pg_get_expr(c.relpartbound, c.oid) FROM 'TO \\(''([^'']+)''')::timestamptz <= over
    LOOP
        EXECUTE format('SELECT count(*) FROM %s', part) INTO dropped;
        EXECUTE format('DROP TABLE %s', part);
        deleted := deleted + dropped;
    END LOOP;
    IF deleted = 0 AND to_regclass('{schema}.audit_before') IS NOT NULL THEN
        DELETE FROM {schema}.audit_before WHERE (at, audit_id) IN (
            SELECT at, audit_id FROM {schema}.audit_before WHERE at < over ORDER BY at LIMIT at_most);
        GET DIAGNOSTICS deleted = ROW_COUNT;
    END IF;
    RETURN deleted;
EXCEPTION
    WHEN lock_not_available THEN RETURN 0;
END $$;
"""
_LAST = """
CREATE TABLE {schema}.audit_other (LIKE {schema}.audit INCLUDING DEFAULTS);
ALTER TABLE {schema}.audit ATTACH PARTITION {schema}.audit_other DEFAULT;
"""
_OWNER_ONLY = """
SELECT format('REVOKE ALL ON {schema}.%%I FROM %%s', relname, grantee::regrole)
FROM pg_class, aclexplode(relacl) WHERE relnamespace = '{schema}'::regnamespace AND relispartition
    AND relname LIKE 'audit%%' AND relkind = 'r' AND grantee NOT IN (0, relowner)
GROUP BY relname, grantee
"""


def divide_audit(schema: str, of: str) -> None:
    """Divide `audit` of `schema`, whose rows name a client by the column `of`_id, beside its writers."""
    names = {"schema": plain_name(schema), "of": plain_name(of)}
    create_beside_writers(schema, "audit_before_key", "audit (at, audit_id)", is_unique=True)
    with op.get_context().autocommit_block():
        conn: psycopg.Connection[Any] = op.get_bind().connection.driver_connection  # type: ignore[assignment]
        without_autovacuum(conn, f"{schema}.audit")
        patiently(conn, lambda: _run(conn, _LIMIT, names))
        conn.execute(f"ALTER TABLE {schema}.audit VALIDATE CONSTRAINT audit_until".encode())

        def divide() -> None:
            _run(conn, _DIVIDE, names)
            give_rights(conn, f"{schema}.audit_before", f"{schema}.audit")
            _run(conn, _LAST, names)
            _run(conn, _MONTHS, names)
            conn.execute(f"SELECT {schema}.make_audit_months()".encode())
            for (revoke,) in conn.execute(_OWNER_ONLY.format(**names).replace("%%", "%").encode()).fetchall():
                conn.execute(sql.SQL(revoke))

        patiently(conn, divide)


def _run(conn: psycopg.Connection[Any], statements: str, names: dict[str, str]) -> None:
    text = statements
    for name, value in names.items():
        text = text.replace("{" + name + "}", value)
    conn.execute(text.encode())
