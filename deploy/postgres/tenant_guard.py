"""Builds the SQL of the role that acts for one practice at a time, and of the policies that bind it."""

from collections.abc import Mapping, Sequence

from deploy.postgres.plain_name import plain_name

_ROLE = """
DO $$
DECLARE somebody regrole;
BEGIN
    IF NOT EXISTS (SELECT FROM pg_roles WHERE rolname = '{role}') THEN
        CREATE ROLE {role} NOLOGIN;
        -- A superuser may take any role. Whoever else uses the tables may take this one from now on, and is
        -- bound only in it.
        FOR somebody IN SELECT DISTINCT grantee::regrole FROM pg_class, aclexplode(relacl)
            WHERE relnamespace = '{schema}'::regnamespace AND grantee <> 0
            UNION SELECT current_user::regrole
        LOOP
            IF NOT pg_has_role(somebody, '{role}', 'SET') THEN
                EXECUTE format('GRANT {role} TO %s WITH INHERIT FALSE, SET TRUE', somebody);
            END IF;
        END LOOP;
    END IF;
EXCEPTION
    -- Roles belong to the whole server: somebody else's migration made it at this moment.
    WHEN duplicate_object OR unique_violation THEN NULL;
    WHEN insufficient_privilege THEN
        RAISE EXCEPTION 'the role {role} is missing, and this role may not create it: run as a superuser'
            ' CREATE ROLE {role} NOLOGIN; GRANT {role} TO {schema} WITH INHERIT FALSE, SET TRUE; with the'
            ' role that the service connects as, where it is not {schema}'
            USING ERRCODE = 'insufficient_privilege';
END $$;
GRANT USAGE ON SCHEMA {schema} TO {role};
"""

# The permissive policy lets everybody else see what their rights allow; only the role is restricted. In a
# session that names no practice, the setting is null or '', which no row has. Each table is locked by itself,
# for a moment. One that has its policies is passed over, so that an attempt that got no lock may be repeated.
_POLICIES = """
DO $$
DECLARE guarded regclass; tenant_column name;
BEGIN
    FOR guarded, tenant_column IN
        SELECT attrelid::regclass, attname FROM pg_attribute JOIN pg_class ON pg_class.oid = attrelid
        WHERE relnamespace = '{schema}'::regnamespace AND relkind IN ('r', 'p')
            AND attname IN ('practice_id', 'tenant') AND NOT attisdropped
            AND NOT EXISTS (SELECT FROM pg_policy WHERE polrelid = attrelid AND polname = 'one_practice')
    LOOP
        EXECUTE format('ALTER TABLE %s ENABLE ROW LEVEL SECURITY', guarded);
        EXECUTE format('CREATE POLICY all_practices ON %s USING (true)', guarded);
        EXECUTE format('CREATE POLICY one_practice ON %s AS RESTRICTIVE TO {role}'
            ' USING (%I = current_setting(''rapport.practice'', true))', guarded, tenant_column);
        COMMIT;
    END LOOP;
END $$;
"""
_THROUGH = """
DO $$
BEGIN
    IF NOT EXISTS (SELECT FROM pg_policy WHERE polrelid = '{schema}.{table}'::regclass
            AND polname = 'one_practice') THEN
        ALTER TABLE {schema}.{table} ENABLE ROW LEVEL SECURITY;
        CREATE POLICY all_practices ON {schema}.{table} USING (true);
        CREATE POLICY one_practice ON {schema}.{table} AS RESTRICTIVE TO {role}
            USING (EXISTS (SELECT FROM {schema}.{owner} WHERE {owner}.{column} = {table}.{column}));
    END IF;
END $$;
"""
# A request shows somebody's secret before it can say whose practice it is about.
_LOOKUP = """
CREATE OR REPLACE FUNCTION {schema}.{function}({column} {kind}) RETURNS text
LANGUAGE sql STABLE SECURITY DEFINER SET search_path = pg_catalog, pg_temp
AS 'SELECT practice_id FROM {schema}.{table} WHERE {table}.{column} = $1';
REVOKE ALL ON FUNCTION {schema}.{function}({kind}) FROM PUBLIC;
GRANT EXECUTE ON FUNCTION {schema}.{function}({kind}) TO {role};
"""
_DROP = """
DO $$
DECLARE guarded regclass;
BEGIN
    FOR guarded IN SELECT polrelid::regclass FROM pg_policy JOIN pg_class ON pg_class.oid = polrelid
        WHERE relnamespace = '{schema}'::regnamespace AND polname = 'one_practice'
    LOOP
        EXECUTE format('DROP POLICY one_practice ON %s', guarded);
        EXECUTE format('DROP POLICY all_practices ON %s', guarded);
        EXECUTE format('ALTER TABLE %s DISABLE ROW LEVEL SECURITY', guarded);
    END LOOP;
END $$;
REVOKE ALL ON ALL TABLES IN SCHEMA {schema} FROM {role};
REVOKE ALL ON SCHEMA {schema} FROM {role};
"""


def tenant_role(schema: str) -> str:
    """Return the name of the role that acts for one practice at a time in `schema`.

    Raises:
        ValueError: the name of the schema would need quoting.
    """
    return f"{plain_name(schema)}_tenant"


def guard_tenants(
    schema: str,
    rights: Mapping[str, Sequence[str]],
    *,
    through: Mapping[str, tuple[str, str]] | None = None,
) -> tuple[str, ...]:
    """Return the SQL that creates the role with these rights, by table, and its policies.

    Each part is to be executed outside any transaction; repeating it changes nothing. Every table with a
    column `practice_id` or `tenant` gets policies. Rows of a table in `through` belong to the practice of
    the row with the same value in this column of another table.

    Raises:
        ValueError: a name would need quoting.
    """
    role = tenant_role(schema)
    grants = [
        f"GRANT {', '.join(allowed)} ON {schema}.{plain_name(table)} TO {role};\n"
        for table, allowed in rights.items()
    ]
    further = []
    for table, (owner, column) in (through or {}).items():
        names = {"table": plain_name(table), "owner": plain_name(owner), "column": plain_name(column)}
        further.append(_THROUGH.format(schema=schema, role=role, **names))
    return (
        "".join([_ROLE.format(schema=schema, role=role), *grants]),
        _POLICIES.format(schema=schema, role=role),
        *further,
    )


def look_up_tenant(schema: str, function: str, table: str, column: str, kind: str) -> str:
    """Return the SQL that creates the function by which the role learns whose practice a secret belongs to.

    It returns the practice of the row of `table` whose `column`, of the type `kind`, is exactly its argument.

    Raises:
        ValueError: a name would need quoting.
    """
    names = {"function": function, "table": table, "column": column, "kind": kind}
    plain = {what: plain_name(name) for what, name in names.items()}
    return _LOOKUP.format(schema=schema, role=tenant_role(schema), **plain)


def unguard_tenants(schema: str) -> str:
    """Return the SQL that takes the policies and the role's rights back; the role itself stays.

    Other databases of the server may use the role, too.

    Raises:
        ValueError: the name of the schema would need quoting.
    """
    return _DROP.format(schema=plain_name(schema), role=tenant_role(schema))
