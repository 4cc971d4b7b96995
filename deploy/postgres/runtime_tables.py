"""The tables that every consuming service has in its own schema: a schema's name in, SQL out.

Each service's first migration creates them, and `services/runtime` reads and writes them.
"""

import re

_NAME = re.compile(r"[a-z_][a-z0-9_]*")

_V1 = """
-- The Kafka cluster whose positions these are: another one is not read from until a person says so.
CREATE TABLE {schema}.cluster (
    only_row boolean PRIMARY KEY DEFAULT true CHECK (only_row),
    cluster_id text NOT NULL,
    adopted_at timestamptz NOT NULL DEFAULT now()
);

-- The next offset to apply: all records below it have taken effect, in the same transaction as this row.
CREATE TABLE {schema}.applied (
    cluster_id text NOT NULL,
    topic text NOT NULL,
    partition integer NOT NULL,
    next_offset bigint NOT NULL,
    PRIMARY KEY (cluster_id, topic, partition)
) WITH (fillfactor = 50);

-- Raised at each assignment; a transaction of an earlier owner finds it raised and ends.
CREATE TABLE {schema}.epoch (
    topic text NOT NULL,
    partition integer NOT NULL,
    epoch bigint NOT NULL,
    PRIMARY KEY (topic, partition)
) WITH (fillfactor = 50);

-- The final bytes of every record to publish. `batch` numbers the transaction, so that what it wrote is
-- deleted by one number; `partition` is null where the key decides.
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
-- The bytes are compressed already or too short to gain from it.
ALTER TABLE {schema}.outbox ALTER COLUMN value SET STORAGE EXTERNAL;

-- What could not be processed: the original bytes, where they lay, and why. Its place names a record, and
-- the id of its event is made from it.
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


def create_v1(schema: str) -> str:
    """The SQL that creates the runtime's tables, version 1, in `schema`.

    Raises:
        ValueError: the schema's name would need quoting.
    """
    if not _NAME.fullmatch(schema):
        raise ValueError(f"{schema!r} is no plain schema name")
    return _V1.format(schema=schema)
