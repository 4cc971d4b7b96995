"""Creates the detector's tables: practices, thresholds, dyads, ratings, assessments, episodes, responses."""

from alembic import op

from deploy.postgres.runtime_tables import create_v1

revision = "0001"
down_revision = None
branch_labels = None
depends_on = None

TABLES = """
-- Practices that send ratings, and what they want to be notified about.
CREATE TABLE practice (
    practice_id      text PRIMARY KEY,
    added_at         timestamptz NOT NULL,
    tell_from        timestamptz,                   -- null: all sessions
    max_age_days     integer CHECK (max_age_days > 0), -- null: sessions of any age
    false_alarms     double precision NOT NULL DEFAULT 0.05
                     CHECK (false_alarms > 0 AND false_alarms < 1), -- per stable rated session
    model_version    text,                          -- null: the shipped model
    thresholds       integer NOT NULL DEFAULT 0     -- rows in threshold, which is append-only
);

-- A practice's own thresholds; rows are only added.
CREATE TABLE threshold (
    practice_id      text NOT NULL REFERENCES practice,
    version          text NOT NULL,
    model_version    text NOT NULL,
    value            double precision NOT NULL CHECK (value > 0 AND value < 1),
    valid_from       timestamptz NOT NULL,
    computed_at      timestamptz NOT NULL,
    sources          jsonb NOT NULL,
    PRIMARY KEY (practice_id, version),
    CHECK (valid_from > computed_at)
);

-- One client with one therapist in one course of therapy. Every change locks this row.
CREATE TABLE dyad (
    dyad_id          uuid PRIMARY KEY,
    practice_id      text NOT NULL,
    therapist_id     text NOT NULL,
    client_id        text NOT NULL,
    case_id          text NOT NULL,
    key              bytea NOT NULL,                -- Kafka key and partition of its events
    partition        integer NOT NULL,
    history_revision bigint NOT NULL DEFAULT 0,     -- raised by every insertion or correction
    snapshot_revision bigint NOT NULL DEFAULT -1,
    snapshot_model   text NOT NULL DEFAULT '',
    snapshot         bytea,                         -- null: too large, recomputed from the history
    decision         bytea,                         -- episode state, what was emitted, the responses
    open_since       date                           -- day of the last session while an episode is open
) WITH (fillfactor = 50);
-- Stored in the row and uncompressed: it is written with every rating and has at most 4 kB.
ALTER TABLE dyad ALTER snapshot SET STORAGE PLAIN;
CREATE INDEX dyad_open ON dyad (open_since) WHERE open_since IS NOT NULL;

-- Ratings as sent. The row claims the rating id for as long as the rating exists.
CREATE TABLE rating (
    practice_id      text NOT NULL,
    rating_id        text NOT NULL,
    dyad_id          uuid NOT NULL,
    client_id        text NOT NULL,
    session_id       text NOT NULL,
    session_at       timestamptz NOT NULL,
    instrument       text NOT NULL,
    status           text NOT NULL,
    marks            bytea,                         -- JSON: a list of items or an object of scores
    next_session_at  timestamptz,
    recorded_at      timestamptz,
    accepted_at      timestamptz NOT NULL,          -- the earliest of its deliveries
    content_hash     text NOT NULL,
    current          boolean NOT NULL,              -- false: superseded by another version of the same rating
    cluster_id       text NOT NULL,                 -- position of its first delivery in the log
    partition        integer NOT NULL,
    "offset"         bigint NOT NULL,
    PRIMARY KEY (practice_id, rating_id)
);
-- All versions of a rating are kept; at most one of them is current, in whichever dyad.
CREATE UNIQUE INDEX rating_version ON rating (practice_id, client_id, session_id, instrument,
    (CASE WHEN current AND status <> 'withdrawn' THEN '' ELSE rating_id END));

-- Deliveries of ratings that were already stored.
CREATE TABLE duplicate (
    cluster_id       text NOT NULL,
    partition        integer NOT NULL,
    "offset"         bigint NOT NULL,
    practice_id      text NOT NULL,
    rating_id        text NOT NULL,
    accepted_at      timestamptz NOT NULL,
    PRIMARY KEY (cluster_id, partition, "offset")
);
CREATE INDEX duplicate_rating ON duplicate (practice_id, rating_id);

-- The current assessment of each session and instrument of a dyad.
CREATE TABLE assessment (
    dyad_id          uuid NOT NULL,
    session_id       text NOT NULL,
    instrument       text NOT NULL,
    practice_id      text NOT NULL,
    rating_id        text NOT NULL,
    session_at       timestamptz NOT NULL,
    revision         integer NOT NULL,
    model_version    text NOT NULL,
    risk             double precision,              -- null: withdrawn
    threshold        double precision,
    level            double precision,              -- mean mark, 0 to 1; null: no form
    may_flag         boolean NOT NULL,
    flagged          boolean NOT NULL,
    step             text NOT NULL,                 -- its effect on the episode
    episode_id       uuid,
    numbers          bytea NOT NULL,                -- MessagePack: the other published values
    PRIMARY KEY (dyad_id, session_id, instrument)
) WITH (fillfactor = 90);

CREATE TABLE episode (
    episode_id       uuid PRIMARY KEY,
    dyad_id          uuid NOT NULL,
    practice_id      text NOT NULL,
    therapist_id     text NOT NULL,
    client_id        text NOT NULL,
    case_id          text NOT NULL,
    revision         integer NOT NULL,
    state            text NOT NULL,
    opened_session   text NOT NULL,
    opened_at        timestamptz NOT NULL,
    closed_at        timestamptz,
    kept_back        text,                          -- why it was kept back; null: it was published
    xid              xid8 NOT NULL DEFAULT pg_current_xact_id(),
    seq              bigint GENERATED ALWAYS AS IDENTITY
);
CREATE INDEX episode_page ON episode (practice_id, xid, seq);
CREATE INDEX episode_dyad ON episode (dyad_id);

CREATE TABLE episode_change (
    episode_id       uuid NOT NULL REFERENCES episode,
    revision         integer NOT NULL,
    practice_id      text NOT NULL,
    change           text NOT NULL,
    kept_back        text,
    session_id       text NOT NULL,
    changed_at       timestamptz NOT NULL,
    data             jsonb NOT NULL,                -- EpisodeChanged, as it was published
    PRIMARY KEY (episode_id, revision)
);
CREATE INDEX episode_change_practice ON episode_change (practice_id);

-- Therapists' responses; kept even when the episode is unknown here.
CREATE TABLE response (
    episode_id       uuid NOT NULL,
    answer_revision  integer NOT NULL,
    dyad_id          uuid NOT NULL,
    practice_id      text NOT NULL,
    answer           text NOT NULL,
    responded_at     timestamptz NOT NULL,
    PRIMARY KEY (episode_id, answer_revision)
);

-- The newest heartbeat of each partition, so that a replay repeats none.
CREATE TABLE heartbeat (
    partition        integer PRIMARY KEY,
    minute           text NOT NULL
);

-- The last day on which the sweep examined all dyads of a partition.
CREATE TABLE sweep (
    partition        integer PRIMARY KEY,
    day              date NOT NULL
);
"""


def upgrade() -> None:
    """Create everything."""
    op.execute(create_v1("detector"))
    op.execute("SET LOCAL search_path TO detector")
    op.execute(TABLES)


def downgrade() -> None:
    """Refuse: the tables are the record."""
    raise RuntimeError("the first tables cannot be downgraded: restore a backup instead")
