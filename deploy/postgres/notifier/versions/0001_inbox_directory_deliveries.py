"""Creates the notifier's tables (directory, changes, items, decisions, deliveries, sign-in) and job queue."""

from alembic import op
from procrastinate.schema import SchemaManager

from deploy.postgres.runtime_tables import create_v1

revision = "0001"
down_revision = None
branch_labels = None
depends_on = None

TABLES = """
CREATE TABLE notifier.practice (
    practice_id text PRIMARY KEY,
    told boolean NOT NULL DEFAULT true,
    client_url_template text
);

CREATE TABLE notifier.therapist (
    practice_id text NOT NULL,
    therapist_id text NOT NULL,
    address text,
    locale text NOT NULL,
    time_zone text NOT NULL,
    channels text[] NOT NULL,
    supervisor text,
    quiet boolean NOT NULL DEFAULT false,
    webhook_url text,
    webhook_secret text,
    added_at timestamptz NOT NULL DEFAULT now(),
    changed_at timestamptz NOT NULL DEFAULT now(),
    PRIMARY KEY (practice_id, therapist_id)
);
CREATE INDEX therapist_by_address ON notifier.therapist (lower(address));

-- One row for each known episode; it is locked while the episode's changes are applied.
CREATE TABLE notifier.episode (episode_id uuid PRIMARY KEY);

-- One row for each change, notified or kept back: the claim that lets it take effect once.
CREATE TABLE notifier.change (
    episode_id uuid NOT NULL REFERENCES notifier.episode ON DELETE CASCADE,
    revision integer NOT NULL,
    change text NOT NULL,
    shown boolean NOT NULL,
    practice_id text NOT NULL,
    therapist_id text NOT NULL,
    client_id text NOT NULL,
    case_id text NOT NULL,
    partition integer NOT NULL,
    record_key bytea NOT NULL,
    session_id text NOT NULL,
    session_at timestamptz NOT NULL,
    accepted_at timestamptz NOT NULL,
    arrived_at timestamptz NOT NULL,
    content jsonb NOT NULL,
    PRIMARY KEY (episode_id, revision)
);

CREATE TABLE notifier.item (
    episode_id uuid PRIMARY KEY REFERENCES notifier.episode ON DELETE CASCADE,
    practice_id text NOT NULL,
    therapist_id text NOT NULL,
    client_id text NOT NULL,
    case_id text NOT NULL,
    partition integer NOT NULL,
    record_key bytea NOT NULL,
    state text NOT NULL,
    revision integer NOT NULL,
    first_revision integer NOT NULL,
    told_revision integer NOT NULL,
    session_at timestamptz NOT NULL,
    told_at timestamptz NOT NULL,
    changed_at timestamptz NOT NULL,
    answer_revision integer NOT NULL DEFAULT 0,
    answer text,
    answered_at timestamptz
);
CREATE INDEX item_by_therapist ON notifier.item (practice_id, therapist_id, session_at DESC);

CREATE TABLE notifier.answer (
    episode_id uuid NOT NULL REFERENCES notifier.item ON DELETE CASCADE,
    answer_revision integer NOT NULL,
    answer text NOT NULL,
    therapist_id text NOT NULL,
    answered_at timestamptz NOT NULL,
    PRIMARY KEY (episode_id, answer_revision)
);

CREATE TABLE notifier.decision (
    practice_id text NOT NULL,
    therapist_id text NOT NULL,
    session_id text NOT NULL,
    episode_id uuid NOT NULL,
    revision integer NOT NULL,
    change text NOT NULL,
    channel text NOT NULL,
    outcome text NOT NULL,
    reason text NOT NULL,
    accepted_at timestamptz NOT NULL,
    decided_at timestamptz NOT NULL,
    xid xid8 NOT NULL DEFAULT pg_current_xact_id(),
    seq bigint GENERATED ALWAYS AS IDENTITY,
    PRIMARY KEY (episode_id, revision, channel)
);
CREATE INDEX decision_in_order ON notifier.decision (practice_id, xid, seq);
CREATE INDEX decision_by_session ON notifier.decision (practice_id, session_id);

CREATE TABLE notifier.delivery (
    delivery_id uuid PRIMARY KEY,
    purpose text NOT NULL CHECK (purpose IN ('episode', 'sign-in')),
    practice_id text NOT NULL,
    therapist_id text NOT NULL,
    episode_id uuid,
    revision integer,
    change text,
    channel text NOT NULL,
    state text NOT NULL CHECK (state IN ('pending', 'retrying', 'sent', 'failed', 'cancelled')),
    reason text,
    attempts integer NOT NULL DEFAULT 0,
    created_at timestamptz NOT NULL,
    give_up_at timestamptz NOT NULL,
    next_try_at timestamptz,
    finished_at timestamptz,
    UNIQUE (episode_id, revision, channel)
);
CREATE INDEX delivery_open ON notifier.delivery (created_at) WHERE state IN ('pending', 'retrying');
CREATE INDEX delivery_of_therapist ON notifier.delivery (practice_id, therapist_id, created_at);

-- A mailed sign-in link; its token is this row's id, signed.
CREATE TABLE notifier.sign_in_link (
    link_id uuid PRIMARY KEY,
    practice_id text NOT NULL,
    therapist_id text NOT NULL,
    episode_id uuid,
    expires_at timestamptz NOT NULL,
    used_at timestamptz
);

CREATE TABLE notifier.session (
    session_hash bytea PRIMARY KEY,
    practice_id text NOT NULL,
    therapist_id text NOT NULL,
    started_at timestamptz NOT NULL,
    expires_at timestamptz NOT NULL
);

CREATE TABLE notifier.audit (
    audit_id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    at timestamptz NOT NULL,
    practice_id text NOT NULL,
    therapist_id text NOT NULL,
    action text NOT NULL,
    episode_id uuid
);
CREATE INDEX audit_of_episode ON notifier.audit (episode_id) WHERE episode_id IS NOT NULL;

CREATE TABLE notifier.heartbeat (
    partition integer PRIMARY KEY,
    minute timestamptz NOT NULL,
    reason text NOT NULL,
    risk double precision,
    expected_risk double precision,
    recorded_at timestamptz NOT NULL
);
"""

# Lets the queue's functions find its tables in any session, so that an operator can repair it in psql.
KEEP_PATH = """
DO $$
DECLARE one regprocedure;
BEGIN
    FOR one IN SELECT oid FROM pg_proc WHERE pronamespace = 'notifier_jobs'::regnamespace LOOP
        EXECUTE format('ALTER FUNCTION %%s SET search_path = notifier_jobs, pg_temp', one);
    END LOOP;
END
$$;
"""


def upgrade() -> None:
    """Create everything the notifier writes to."""
    op.execute(create_v1("notifier"))
    op.execute(TABLES)
    _create_job_queue()


def _create_job_queue() -> None:
    # procrastinate creates its objects without a schema name, so this transaction's search path decides.
    # Later versions of it contain migrations (procrastinate/sql/migrations): a revision that upgrades the
    # library applies those newer than the version in the comment, in the same way.
    connection = op.get_bind()
    before = connection.exec_driver_sql("SELECT current_setting('search_path')").scalar_one()
    connection.exec_driver_sql("CREATE SCHEMA IF NOT EXISTS notifier_jobs")
    connection.exec_driver_sql("SELECT set_config('search_path', 'notifier_jobs', true)")
    connection.exec_driver_sql(SchemaManager.get_schema().replace("%", "%%"))
    connection.exec_driver_sql(KEEP_PATH)
    connection.exec_driver_sql("COMMENT ON SCHEMA notifier_jobs IS 'procrastinate 3.10'")
    connection.exec_driver_sql("SELECT set_config('search_path', %s, true)", (before,))
