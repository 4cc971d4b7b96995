"""Builds the SQL that lets the services' roles only add to a log of who did what."""

from deploy.postgres.plain_name import plain_name

_ONLY_ADDED = """
-- Whoever is not the owner may read rows and add them, and has no other rights.
DO $$
DECLARE somebody regrole;
BEGIN
    FOR somebody IN SELECT DISTINCT grantee::regrole FROM pg_class, aclexplode(relacl)
        WHERE pg_class.oid = '{schema}.audit'::regclass AND grantee NOT IN (0, relowner)
    LOOP
        EXECUTE format(
            'REVOKE UPDATE, DELETE, TRUNCATE, REFERENCES, TRIGGER ON {schema}.audit FROM %s', somebody);
    END LOOP;
END $$;
REVOKE UPDATE, DELETE, TRUNCATE, REFERENCES, TRIGGER ON {schema}.audit FROM PUBLIC;

-- Rows whose time is over are deleted with the owner's rights, and none within a year, whoever asks.
CREATE FUNCTION {schema}.delete_old_audit(before timestamptz, at_most integer) RETURNS bigint
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
DECLARE deleted bigint;
BEGIN
    DELETE FROM {schema}.audit WHERE audit_id IN (
        SELECT audit_id FROM {schema}.audit
        WHERE at < least(before, now() - interval '365 days') ORDER BY at LIMIT at_most);
    GET DIAGNOSTICS deleted = ROW_COUNT;
    RETURN deleted;
END $$;
CREATE INDEX audit_by_time ON {schema}.audit (at);
"""


def only_add_to_audit(schema: str) -> str:
    """Return the SQL that takes from all roles all rights on `audit` but those to read and to add.

    Raises:
        ValueError: the name of the schema would need quoting.
    """
    return _ONLY_ADDED.format(schema=plain_name(schema))
