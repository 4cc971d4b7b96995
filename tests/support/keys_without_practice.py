"""Fills tables as they were before every key held the practice, and writes as the services then did."""

from collections.abc import Sequence
from typing import Any

import psycopg

from tests.support.detector.tables_before_practice_first import Writer

VERSIONS = {"detector": "0028", "notifier": "0026"}
"""The revision of each service's tables before."""
CHANGED = {"detector": "0029", "notifier": "0027"}
AT_ONCE = 20_000

_WHO = "'practice-' || n % 10"
_EPISODE = "md5('e' || n)::uuid"
_PLACE = "'4L6g3nShT-eMCtK--X86sw'"
_FILL = {
    "detector": f"""
INSERT INTO detector.episode (episode_id, dyad_id, practice_id, therapist_id, client_id, case_id, revision,
    state, opened_session, opened_at)
SELECT {_EPISODE}, {_EPISODE}, {_WHO}, 't' || n / 20, 'c' || n, '', 1, 'open', 's', now() FROM n;
INSERT INTO detector.episode_change (episode_id, revision, practice_id, change, session_id, changed_at, data)
SELECT {_EPISODE}, 1, {_WHO}, 'opened', 's', now(), '{{}}' FROM n;
INSERT INTO detector.response (episode_id, answer_revision, dyad_id, practice_id, answer, responded_at)
SELECT {_EPISODE}, 1, {_EPISODE}, {_WHO}, 'discussed', now() FROM n;
INSERT INTO detector.duplicate (cluster_id, lane, partition, "offset", practice_id, rating_id, accepted_at,
    superseded)
SELECT {_PLACE}, 0, n % 24, n, {_WHO}, 'r' || n, now(), false FROM n;
INSERT INTO detector.blocked (cluster_id, topic, partition, "offset", key, value, practice_id, client_id,
    reason, recorded_at)
SELECT {_PLACE}, 'ratings', n % 24, n, '', repeat('v', 300)::bytea, {_WHO}, 'c' || n, 'many-sessions', now()
FROM n;
INSERT INTO detector.audit (practice_id, actor, action, detail)
SELECT {_WHO}, 'key a', 'rating-read', '' FROM n
""",
    "notifier": f"""
INSERT INTO notifier.episode (episode_id) SELECT {_EPISODE} FROM n;
INSERT INTO notifier.change (episode_id, revision, change, shown, practice_id, therapist_id, client_id,
    case_id, partition, record_key, session_id, session_at, accepted_at, arrived_at, content)
SELECT {_EPISODE}, 1, 'opened', true, {_WHO}, 't' || n / 20, 'c' || n, '', n % 24, repeat('k', 32)::bytea,
    's', now(), now(), now(), jsonb_build_object('facts', repeat('f', 600)) FROM n;
INSERT INTO notifier.item (episode_id, practice_id, therapist_id, client_id, case_id, partition, record_key,
    state, revision, first_revision, told_revision, session_at, told_at, changed_at)
SELECT {_EPISODE}, {_WHO}, 't' || n / 20, 'c' || n, '', n % 24, repeat('k', 32)::bytea, 'opened', 1, 1, 1,
    now(), now(), now() FROM n;
INSERT INTO notifier.answer (episode_id, answer_revision, answer, therapist_id, answered_at)
SELECT {_EPISODE}, 1, 'discussed', 't' || n / 20, now() FROM n;
INSERT INTO notifier.decision (practice_id, therapist_id, session_id, episode_id, revision, change, channel,
    outcome, reason, accepted_at, decided_at)
SELECT {_WHO}, 't' || n / 20, 's', {_EPISODE}, 1, 'opened', 'inbox', 'told', 'sent', now(), now() FROM n;
INSERT INTO notifier.delivery (delivery_id, purpose, practice_id, therapist_id, episode_id, revision, change,
    channel, state, created_at, due_at, give_up_at)
SELECT md5('m' || n)::uuid, 'episode', {_WHO}, 't' || n / 20, {_EPISODE}, 1, 'opened', 'email', 'sent', now(),
    now(), now() FROM n;
INSERT INTO notifier.session (session_hash, practice_id, therapist_id, started_at, expires_at, used_at)
SELECT sha256(('h' || n)::bytea), {_WHO}, 't' || n / 20, now(), now(), now() FROM n;
INSERT INTO notifier.sign_in_link (link_id, delivery_id, practice_id, therapist_id, episode_id, expires_at)
SELECT md5('l' || n)::uuid, md5('m' || n)::uuid, {_WHO}, 't' || n / 20, {_EPISODE}, now() FROM n;
INSERT INTO notifier.share (share_id, practice_id, therapist_id, episode_id, with_reference, shared_at,
    expires_at)
SELECT md5('s' || n)::uuid, {_WHO}, 't' || n / 20, {_EPISODE}, false, now(), now() FROM n;
INSERT INTO notifier.audit (at, practice_id, therapist_id, action) SELECT now(), {_WHO}, 't', 'viewed' FROM n
""",
}
# Which episodes a batch is about: some are known, the others new.
_LATER = "n AS (SELECT * FROM unnest(%(numbers)s::int[]) AS n)"
_WRITES = {
    "detector": f"""
WITH {_LATER} INSERT INTO detector.episode AS e (episode_id, dyad_id, practice_id, therapist_id, client_id,
    case_id, revision, state, opened_session, opened_at)
SELECT {_EPISODE}, {_EPISODE}, {_WHO}, 't' || n / 20, 'c' || n, '', 1, 'open', 's', now() FROM n ORDER BY 1
ON CONFLICT (episode_id) DO UPDATE SET revision = e.revision + 1, xid = pg_current_xact_id(), seq = DEFAULT;
WITH {_LATER} INSERT INTO detector.episode_change (episode_id, revision, practice_id, change, session_id,
    changed_at, data)
SELECT {_EPISODE}, %(turn)s, {_WHO}, 'deepened', 's', now(), '{{}}' FROM n;
WITH {_LATER} INSERT INTO detector.response (episode_id, answer_revision, dyad_id, practice_id, answer,
    responded_at)
SELECT {_EPISODE}, %(turn)s, {_EPISODE}, {_WHO}, 'discussed', now() FROM n ON CONFLICT DO NOTHING;
WITH {_LATER} INSERT INTO detector.duplicate (cluster_id, lane, partition, "offset", practice_id, rating_id,
    accepted_at, superseded)
SELECT {_PLACE}, 0, n % 24, n, {_WHO}, 'r' || n, now(), false FROM n ON CONFLICT DO NOTHING;
WITH {_LATER} INSERT INTO detector.blocked (cluster_id, topic, partition, "offset", key, value, practice_id,
    client_id, reason, recorded_at)
SELECT {_PLACE}, 'ratings', n % 24, n, '', '', {_WHO}, 'c' || n, 'model-not-loaded', now() FROM n ORDER BY 4
ON CONFLICT (cluster_id, topic, partition, "offset") DO UPDATE SET reason = EXCLUDED.reason
""",
    "notifier": f"""
WITH {_LATER} INSERT INTO notifier.episode (episode_id) SELECT {_EPISODE} FROM n ON CONFLICT DO NOTHING;
WITH {_LATER} SELECT FROM notifier.episode WHERE episode_id IN (SELECT {_EPISODE} FROM n)
ORDER BY episode_id FOR UPDATE;
WITH {_LATER} INSERT INTO notifier.change (episode_id, revision, change, shown, practice_id, therapist_id,
    client_id, case_id, partition, record_key, session_id, session_at, accepted_at, arrived_at, content)
SELECT {_EPISODE}, %(turn)s, 'deepened', true, {_WHO}, 't' || n / 20, 'c' || n, '', 0, '', 's', now(), now(),
    now(), '{{}}' FROM n ON CONFLICT DO NOTHING;
WITH {_LATER} INSERT INTO notifier.item (episode_id, practice_id, therapist_id, client_id, case_id, partition,
    record_key, state, revision, first_revision, told_revision, session_at, told_at, changed_at)
SELECT {_EPISODE}, {_WHO}, 't' || n / 20, 'c' || n, '', 0, '', 'opened', %(turn)s, 1, 1, now(), now(), now()
FROM n ON CONFLICT (episode_id) DO UPDATE SET revision = excluded.revision;
WITH {_LATER} INSERT INTO notifier.answer (episode_id, answer_revision, answer, therapist_id, answered_at)
SELECT {_EPISODE}, %(turn)s, 'discussed', 't' || n / 20, now() FROM n ON CONFLICT DO NOTHING;
WITH {_LATER} INSERT INTO notifier.decision (practice_id, therapist_id, session_id, episode_id, revision,
    change, channel, outcome, reason, accepted_at, decided_at)
SELECT {_WHO}, 't' || n / 20, 's', {_EPISODE}, %(turn)s, 'deepened', 'inbox', 'told', 'sent', now(), now()
FROM n;
WITH {_LATER} INSERT INTO notifier.sign_in_link (link_id, delivery_id, practice_id, therapist_id, expires_at)
SELECT md5('l' || n)::uuid, md5('m' || n)::uuid, {_WHO}, 't' || n / 20, now() FROM n
ON CONFLICT (link_id) DO UPDATE SET expires_at = excluded.expires_at;
WITH {_LATER} UPDATE notifier.session SET used_at = now()
WHERE session_hash IN (SELECT sha256(('h' || n)::bytea) FROM n)
""",
}


def fill(url: str, schema: str, rows: int) -> None:
    """Store `rows` rows in each table of a service whose keys change."""
    with psycopg.connect(url, autocommit=True) as conn:
        for first in range(0, rows, AT_ONCE):
            last = min(rows, first + AT_ONCE) - 1
            for statement in _FILL[schema].split(";\n"):
                conn.execute(_with_numbers(statement, first, last).encode())
        conn.execute("VACUUM ANALYZE")


def _with_numbers(statement: str, first: int, last: int) -> str:
    return f"WITH n AS (SELECT * FROM generate_series({first}, {last}) AS n) {statement}"


class VersionBefore(Writer):
    """Writes batches as the service of that version; half of the episodes are new ones."""

    schema = "detector"

    def write(self, conn: psycopg.Connection[Any]) -> None:
        """Write the next batch, and measure it."""
        turn = self.first + len(self.took_s)
        numbers = [(turn * 7919 + n * 104_729) % (2 * self.dyads) for n in range(self.batch)]
        self.run(conn, self.statements(), {"numbers": sorted(set(numbers)), "turn": turn + 2})

    def statements(self) -> Sequence[str]:
        """Return the statements of a batch."""
        return _WRITES[self.schema].replace(" % ", " %% ").split(";\n")


class NotifierBefore(VersionBefore):
    """The notifier."""

    schema = "notifier"


WRITERS = {"detector": VersionBefore, "notifier": NotifierBefore}
