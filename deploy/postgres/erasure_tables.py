"""Builds the SQL of the tables of who was erased, which every consuming service has in its own schema."""

from deploy.postgres.plain_name import plain_name

_ERASURES = """
-- Who was erased when, and the record of it: a keyed hash that names nobody, never an id. What was accepted
-- up to `erased_at` takes no effect any more, however often it is read. Rows are only added.
CREATE TABLE {schema}.erasure (
    erasure_id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    subject bytea NOT NULL,
    secret_check bytea NOT NULL,
    kind text NOT NULL CHECK (kind IN ('client', 'therapist', 'tenant')),
    tenant text NOT NULL,
    erased_at timestamptz NOT NULL,
    recorded_at timestamptz NOT NULL DEFAULT now(),
    requested_by text NOT NULL,
    database_role text NOT NULL DEFAULT session_user,
    erased_rows jsonb NOT NULL
);
CREATE INDEX erasure_subject ON {schema}.erasure (subject, erased_at);
CREATE INDEX erasure_newest ON {schema}.erasure (erased_at);
CREATE FUNCTION {schema}.refuse_erasure_change() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    RAISE EXCEPTION 'rows of {schema}.erasure are only added';
END $$;
CREATE TRIGGER only_added BEFORE UPDATE OR DELETE OR TRUNCATE ON {schema}.erasure
    FOR EACH STATEMENT EXECUTE FUNCTION {schema}.refuse_erasure_change();

-- Deliveries that were erased, by their places in the log: they stay in the balance, and each is counted once
-- however often it is read. `subject` is a keyed hash of the id that the record was sent under.
CREATE TABLE {schema}.erased (
    cluster_id text NOT NULL,
    topic text NOT NULL,
    partition integer NOT NULL,
    "offset" bigint NOT NULL,
    tenant text,
    subject bytea,
    PRIMARY KEY (cluster_id, topic, partition, "offset")
);
CREATE INDEX erased_subject ON {schema}.erased (tenant, subject);
"""


_DROP_ERASURES = """
DROP TABLE {schema}.erased, {schema}.erasure;
DROP FUNCTION {schema}.refuse_erasure_change();
"""


# The condition is that of `services.runtime.process.sandbox.IN_SANDBOX`, and stays as it is written here.
_SANDBOXES = """
-- A later erasure of a whole sandbox covers the earlier ones, which are deleted: there is one every night.
DROP TRIGGER only_added ON {schema}.erasure;
CREATE TRIGGER only_added BEFORE UPDATE OR TRUNCATE ON {schema}.erasure
    FOR EACH STATEMENT EXECUTE FUNCTION {schema}.refuse_erasure_change();
CREATE TRIGGER only_added_but_of_sandboxes BEFORE DELETE ON {schema}.erasure
    FOR EACH ROW WHEN (right(OLD.tenant, 8) <> '.sandbox')
    EXECUTE FUNCTION {schema}.refuse_erasure_change();
-- Those of sandboxes are deleted when no log holds the delivery any more.
ALTER TABLE {schema}.erased ADD COLUMN erased_at timestamptz NOT NULL DEFAULT now();
"""


_DROP_SANDBOXES = """
ALTER TABLE {schema}.erased DROP COLUMN erased_at;
DROP TRIGGER only_added_but_of_sandboxes ON {schema}.erasure;
DROP TRIGGER only_added ON {schema}.erasure;
CREATE TRIGGER only_added BEFORE UPDATE OR DELETE OR TRUNCATE ON {schema}.erasure
    FOR EACH STATEMENT EXECUTE FUNCTION {schema}.refuse_erasure_change();
"""


def add_erasures(schema: str) -> str:
    """Return the SQL that creates the tables of what was erased in `schema`.

    Raises:
        ValueError: the name of the schema would need quoting.
    """
    return _ERASURES.format(schema=plain_name(schema))


def drop_erasures(schema: str) -> str:
    """Return the SQL that takes `add_erasures` back; what was erased takes effect again when it is replayed.

    Raises:
        ValueError: the name of the schema would need quoting.
    """
    return _DROP_ERASURES.format(schema=plain_name(schema))


def add_sandboxes(schema: str) -> str:
    """Return the SQL that lets erasures of sandboxes be deleted in `schema`, and dates the erased deliveries.

    Raises:
        ValueError: the name of the schema would need quoting.
    """
    return _SANDBOXES.format(schema=plain_name(schema))


def drop_sandboxes(schema: str) -> str:
    """Return the SQL that takes `add_sandboxes` back.

    Raises:
        ValueError: the name of the schema would need quoting.
    """
    return _DROP_SANDBOXES.format(schema=plain_name(schema))
