"""Builds the SQL of the tables that every consuming service has in its own schema.

Each service's migrations create and extend them, and `services/runtime` reads and writes them. Those of
erasures are in `erasure_tables.py`.
"""

from deploy.postgres.plain_name import plain_name

_V1 = """
-- The Kafka cluster that the positions belong to; another one is read only after an operator adopts it.
CREATE TABLE {schema}.cluster (
    only_row boolean PRIMARY KEY DEFAULT true CHECK (only_row),
    cluster_id text NOT NULL,
    adopted_at timestamptz NOT NULL DEFAULT now()
);

-- The next offset to apply: the effects of all records below it were stored in the transaction of this row.
CREATE TABLE {schema}.applied (
    cluster_id text NOT NULL,
    topic text NOT NULL,
    partition integer NOT NULL,
    next_offset bigint NOT NULL,
    PRIMARY KEY (cluster_id, topic, partition)
) WITH (fillfactor = 50);

-- Raised at each assignment; a transaction of an earlier owner sees a higher epoch and is rolled back.
CREATE TABLE {schema}.epoch (
    topic text NOT NULL,
    partition integer NOT NULL,
    epoch bigint NOT NULL,
    PRIMARY KEY (topic, partition)
) WITH (fillfactor = 50);

-- The final bytes of every record to publish. `batch` numbers the transaction, so that its rows are deleted
-- by one number; `partition` is null where the key decides.
CREATE SEQUENCE {schema}.outbox_batch;
CREATE TABLE {schema}.outbox (
    batch bigint NOT NULL,
    seq integer NOT NULL,
    topic text NOT NULL,
    partition integer,
    key bytea NOT NULL,
    value bytea NOT NULL,
    headers bytea NOT NULL,
    written_at timestamptz NOT NULL DEFAULT now(),
    PRIMARY KEY (batch, seq)
) WITH (autovacuum_vacuum_scale_factor = 0.0, autovacuum_vacuum_threshold = 20000);
-- The bytes are already compressed, or too short to benefit from compression.
ALTER TABLE {schema}.outbox ALTER COLUMN value SET STORAGE EXTERNAL;

-- Records that could not be processed: the original bytes, their position in the log, and the reason. The
-- position identifies a record, and the id of its event is derived from it.
CREATE TABLE {schema}.rejection (
    cluster_id text NOT NULL,
    topic text NOT NULL,
    partition integer NOT NULL,
    "offset" bigint NOT NULL,
    key bytea,
    value bytea,
    reason text NOT NULL,
    detail text NOT NULL,
    tenant text,
    subject_id text,
    recorded_at timestamptz NOT NULL,
    xid xid8 NOT NULL DEFAULT pg_current_xact_id(),
    seq bigint GENERATED ALWAYS AS IDENTITY,
    PRIMARY KEY (cluster_id, topic, partition, "offset")
);
CREATE INDEX rejection_in_order ON {schema}.rejection (tenant, xid, seq);
CREATE INDEX rejection_by_subject ON {schema}.rejection (tenant, subject_id) WHERE subject_id IS NOT NULL;
"""

_REPLAYS = """
-- When an operator published the record again; what came of that is stored under its new position.
ALTER TABLE {schema}.rejection ADD COLUMN replayed_at timestamptz;
CREATE INDEX rejection_waiting ON {schema}.rejection (xid, seq) WHERE replayed_at IS NULL;
"""

_HALTS = """
-- The last applied record, by which a log that lost its end is recognised: it holds another record there.
ALTER TABLE {schema}.applied ADD COLUMN last_timestamp_ms bigint, ADD COLUMN last_crc bigint;

-- Partitions that are not read until `rapport halts repair` deletes their row.
CREATE TABLE {schema}.halt (
    cluster_id text NOT NULL,
    topic text NOT NULL,
    partition integer NOT NULL,
    reason text NOT NULL,
    detail text NOT NULL,
    next_offset bigint NOT NULL,
    halted_at timestamptz NOT NULL DEFAULT now(),
    PRIMARY KEY (cluster_id, topic, partition)
);
"""
_DROP_HALTS = """
DROP TABLE {schema}.halt;
ALTER TABLE {schema}.applied DROP COLUMN last_timestamp_ms, DROP COLUMN last_crc;
"""
_SET_ASIDE = """
-- Places in the log that an operator looked at after a halt: what cannot be processed there is rejected with
-- its reason and does not count for the fuse.
CREATE TABLE {schema}.set_aside (
    cluster_id text NOT NULL,
    topic text NOT NULL,
    partition integer NOT NULL,
    from_offset bigint NOT NULL,
    next_offset bigint NOT NULL,
    requested_at timestamptz NOT NULL DEFAULT now(),
    PRIMARY KEY (cluster_id, topic, partition, from_offset)
);
"""
_UNACCOUNTED = """
-- Records below the applied offset that have no outcome: missing in the log, or passed over by a stage. In
-- operation there are no rows, so that the reconciliation costs nothing.
CREATE TABLE {schema}.unaccounted (
    cluster_id text NOT NULL,
    topic text NOT NULL,
    partition integer NOT NULL,
    from_offset bigint NOT NULL,
    next_offset bigint NOT NULL,
    noticed_at timestamptz NOT NULL DEFAULT now(),
    PRIMARY KEY (cluster_id, topic, partition, from_offset)
);
"""

_PUBLISHED = """
-- How far the log of each topic that this service writes is known: the offset after the last known record.
-- What follows is looked at when a partition is assigned; a database that was restored does not know it.
CREATE TABLE {schema}.published (
    cluster_id text NOT NULL,
    topic text NOT NULL,
    partition integer NOT NULL,
    next_offset bigint NOT NULL,
    PRIMARY KEY (cluster_id, topic, partition)
) WITH (fillfactor = 50);
"""

_OUTBOX_FLOOR = """
-- All rows of the outbox with a lower `batch` were deleted, and none is added any more. Readers begin here,
-- and pass by what a long snapshot, such as that of a dump, keeps of deleted rows.
CREATE TABLE {schema}.outbox_floor (
    only_row boolean PRIMARY KEY DEFAULT true CHECK (only_row),
    batch bigint NOT NULL
) WITH (fillfactor = 50);
INSERT INTO {schema}.outbox_floor (batch) VALUES (0);
"""


_RUNS_FROM = """
-- The oldest revision whose services run on these tables: a migration that only adds leaves it, one that
-- takes something away raises it. And the version of the program that migrated them.
CREATE TABLE {schema}.runs_from (
    only_row boolean PRIMARY KEY DEFAULT true CHECK (only_row),
    revision text NOT NULL,
    version text NOT NULL
);
INSERT INTO {schema}.runs_from (revision, version) VALUES ('', '');
"""


def create_v1(schema: str) -> str:
    """Return the SQL that creates version 1 of the runtime's tables in `schema`.

    Raises:
        ValueError: the name of the schema would need quoting.
    """
    return _V1.format(schema=plain_name(schema))


def add_replays(schema: str) -> str:
    """Return the SQL that lets `schema` store when a rejected record was published again.

    Raises:
        ValueError: the name of the schema would need quoting.
    """
    return _REPLAYS.format(schema=plain_name(schema))


def add_halts(schema: str) -> str:
    """Return the SQL that adds the last applied record of each partition, and the halted partitions.

    Raises:
        ValueError: the name of the schema would need quoting.
    """
    return _HALTS.format(schema=plain_name(schema))


def drop_halts(schema: str) -> str:
    """Return the SQL that takes `add_halts` back; halted partitions are read again.

    Raises:
        ValueError: the name of the schema would need quoting.
    """
    return _DROP_HALTS.format(schema=plain_name(schema))


def add_set_aside(schema: str) -> str:
    """Return the SQL that creates the table of places that an operator let be set aside in `schema`.

    Raises:
        ValueError: the name of the schema would need quoting.
    """
    return _SET_ASIDE.format(schema=plain_name(schema))


def add_unaccounted(schema: str) -> str:
    """Return the SQL that creates the table of records without an outcome in `schema`.

    Raises:
        ValueError: the name of the schema would need quoting.
    """
    return _UNACCOUNTED.format(schema=plain_name(schema))


def add_published(schema: str) -> str:
    """Return the SQL that creates the table of how far the written topics are known in `schema`.

    Raises:
        ValueError: the name of the schema would need quoting.
    """
    return _PUBLISHED.format(schema=plain_name(schema))


def add_outbox_floor(schema: str) -> str:
    """Return the SQL that creates the table of where the outbox's rows begin in `schema`.

    Raises:
        ValueError: the name of the schema would need quoting.
    """
    return _OUTBOX_FLOOR.format(schema=plain_name(schema))


def add_runs_from(schema: str) -> str:
    """Return the SQL that creates the table of the oldest revision that runs on the tables of `schema`.

    Raises:
        ValueError: the name of the schema would need quoting.
    """
    return _RUNS_FROM.format(schema=plain_name(schema))
