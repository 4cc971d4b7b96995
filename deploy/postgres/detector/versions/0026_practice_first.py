"""Gives ratings, assessments and dyads keys that begin with the practice, and a third of the bytes less.

They are copied beside a working detector of the version before. From the switch on it waits, as it does while
the database is away, until the new version takes its place.
"""

import msgspec
from alembic import op

from deploy.postgres.table_copy import Computed, TableCopy, copy_tables
from services.detector.storage.stored_numbers import InColumns, stored_numbers

revision = "0026"
down_revision = "0025"
branch_labels = None
depends_on = None

# Clusters are few; every rating names one.
CLUSTERS = """
CREATE TABLE IF NOT EXISTS detector.log_cluster (
    number           smallint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    cluster_id       text NOT NULL UNIQUE
);
CREATE OR REPLACE FUNCTION detector.cluster_number(id text) RETURNS smallint
LANGUAGE plpgsql VOLATILE SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
DECLARE found smallint;
BEGIN
    SELECT number INTO found FROM detector.log_cluster WHERE cluster_id = id;
    IF found IS NULL THEN
        INSERT INTO detector.log_cluster (cluster_id) VALUES (id) ON CONFLICT DO NOTHING;
        SELECT number INTO STRICT found FROM detector.log_cluster WHERE cluster_id = id;
    END IF;
    RETURN found;
END $$;
REVOKE ALL ON FUNCTION detector.cluster_number(text) FROM PUBLIC;
DO $$
DECLARE somebody regrole;
BEGIN
    FOR somebody IN SELECT DISTINCT grantee::regrole FROM pg_class, aclexplode(relacl)
        WHERE pg_class.oid = 'detector.rating'::regclass AND grantee NOT IN (0, relowner)
    LOOP
        IF has_table_privilege(somebody::oid, 'detector.rating', 'INSERT') THEN
            EXECUTE format('GRANT SELECT ON detector.log_cluster TO %s', somebody);
            EXECUTE format('GRANT EXECUTE ON FUNCTION detector.cluster_number(text) TO %s', somebody);
        END IF;
    END LOOP;
END $$;
"""


def _kept(numbers: bytes, *columns: object) -> bytes:
    try:
        return stored_numbers(bytes(numbers), InColumns._make(columns))
    except msgspec.ValidationError:
        return numbers  # a measure, which has few


# Values of a fixed length come first, the longest before the others: nothing is filled up between them.
RATING = TableCopy(
    "detector.rating",
    """(
    session_at       timestamptz NOT NULL,
    accepted_at      timestamptz NOT NULL,          -- the earliest of its deliveries
    "offset"         bigint NOT NULL,               -- position of its first delivery in the log
    next_session_at  timestamptz,
    recorded_at      timestamptz,
    partition        integer NOT NULL,
    cluster          smallint NOT NULL,             -- number in log_cluster
    lane             smallint NOT NULL DEFAULT 0,   -- number of the topic in topics.LANES: 1 is history
    dyad_id          uuid NOT NULL,
    current          boolean NOT NULL,              -- false: superseded by another version of the same rating
    measure          boolean NOT NULL DEFAULT false, -- stored, never scored
    practice_id      text NOT NULL,
    rating_id        text NOT NULL,
    client_id        text NOT NULL,
    session_id       text NOT NULL,
    instrument       text NOT NULL,
    status           text NOT NULL,
    content_hash     bytea NOT NULL,
    marks            bytea,                         -- JSON: a list of items or an object of scores
    CONSTRAINT rating_next_pkey PRIMARY KEY (practice_id, rating_id)
) WITH (autovacuum_vacuum_scale_factor = 0.05, autovacuum_vacuum_insert_scale_factor = 0.05,
    autovacuum_analyze_scale_factor = 0.05)""",
    key=("practice_id", "rating_id"),
    new_key=("practice_id", "rating_id"),
    values={
        **{
            name: f"o.{name}"
            for name in (
                *("session_at", "accepted_at", '"offset"', "next_session_at", "recorded_at", "partition"),
                *(
                    "lane",
                    "dyad_id",
                    "current",
                    "measure",
                    "practice_id",
                    "rating_id",
                    "client_id",
                    "session_id",
                ),
                *("instrument", "status"),
            )
        },
        "cluster": "detector.cluster_number(o.cluster_id)",
        "content_hash": "decode(o.content_hash, 'hex')",
        # Whole marks without decimals.
        "marks": "convert_to("
        "replace(replace(convert_from(o.marks, 'UTF8'), '.0,', ','), '.0]', ']'), 'UTF8')",
    },
    indexes={
        "rating_version": "{table} (practice_id, client_id, session_id, instrument,"
        " (CASE WHEN current AND status <> 'withdrawn' THEN '' ELSE rating_id END))",
        "rating_superseded": "{table} (practice_id) WHERE NOT current",
        "rating_measure": "{table} (practice_id) WHERE measure AND current",
    },
    unique=frozenset({"rating_version"}),
)
ASSESSMENT = TableCopy(
    "detector.assessment",
    """(
    session_at       timestamptz NOT NULL,
    risk             double precision,              -- null: withdrawn
    threshold        double precision,
    level            double precision,              -- mean mark, 0 to 1; null: no form
    revision         integer NOT NULL,
    dyad_id          uuid NOT NULL,
    episode_id       uuid,
    may_flag         boolean NOT NULL,
    flagged          boolean NOT NULL,
    practice_id      text NOT NULL,
    session_id       text NOT NULL,
    instrument       text NOT NULL,
    rating_id        text NOT NULL,
    model_version    text NOT NULL,
    step             text NOT NULL,                 -- its effect on the episode
    numbers          bytea NOT NULL,                -- MessagePack: the other published values
    CONSTRAINT assessment_next_pkey PRIMARY KEY (practice_id, dyad_id, session_id, instrument)
) WITH (fillfactor = 95, autovacuum_vacuum_scale_factor = 0.05, autovacuum_vacuum_insert_scale_factor = 0.05,
    autovacuum_analyze_scale_factor = 0.05)""",
    key=("dyad_id", "session_id", "instrument"),
    new_key=("practice_id", "dyad_id", "session_id", "instrument"),
    values={
        name: f"o.{name}"
        for name in (
            *("session_at", "risk", "threshold", "level", "revision", "dyad_id", "episode_id", "may_flag"),
            *("flagged", "practice_id", "session_id", "instrument", "rating_id", "model_version", "step"),
            "numbers",
        )
    },
    indexes={"assessment_newest": "{table} (practice_id, session_at)"},
    computed=Computed(
        "numbers",
        ("numbers", "rating_id", "session_at", "model_version", "risk", "threshold"),
        _kept,
    ),
)
DYAD = TableCopy(
    "detector.dyad",
    """(
    history_revision bigint NOT NULL DEFAULT 0,     -- raised by every insertion or correction
    snapshot_revision bigint NOT NULL DEFAULT -1,
    partition        integer NOT NULL,              -- Kafka partition and key of its events
    revision_floor   integer NOT NULL DEFAULT 0,
    open_since       date,                          -- day of the last session while an episode is open
    dyad_id          uuid NOT NULL,
    practice_id      text NOT NULL,
    therapist_id     text NOT NULL,
    client_id        text NOT NULL,
    case_id          text NOT NULL,
    record_key       bytea NOT NULL,
    snapshot_model   text NOT NULL DEFAULT '',
    decision         bytea,                         -- episode state, what was emitted, the responses
    snapshot         bytea STORAGE PLAIN,           -- null: too large, recomputed from the history
    CONSTRAINT dyad_next_pkey PRIMARY KEY (practice_id, dyad_id)
) WITH (fillfactor = 60, autovacuum_vacuum_scale_factor = 0.02, autovacuum_analyze_scale_factor = 0.05)""",
    key=("dyad_id",),
    new_key=("practice_id", "dyad_id"),
    values={
        **{
            name: f"o.{name}"
            for name in (
                *("history_revision", "snapshot_revision", "partition", "revision_floor", "open_since"),
                *("dyad_id", "practice_id", "therapist_id", "client_id", "case_id", "snapshot_model"),
                *("decision", "snapshot"),
            )
        },
        "record_key": "o.key",
    },
    indexes={
        # What is rare names dyads by their ids alone.
        "dyad_by_id": "{table} (dyad_id)",
        "dyad_client": "{table} (practice_id, client_id)",
        "dyad_open": "{table} (open_since) WHERE open_since IS NOT NULL",
    },
)


def upgrade() -> None:
    """Copy the tables and let the copies take their places."""
    with op.get_context().autocommit_block():
        op.execute(CLUSTERS)
    copy_tables("detector", (RATING, ASSESSMENT, DYAD))


def downgrade() -> None:
    """Refuse: the version before cannot read these tables."""
    raise RuntimeError("the version before cannot read these tables: restore a backup instead")
