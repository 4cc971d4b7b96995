"""Reads the newest answers of a practice's therapists, each with the session that they were told about."""

from services.runtime.postgres.connect import Connection

_READ = """
SELECT e.practice_id, e.therapist_id, e.client_id, e.case_id,
    coalesce(told.session_id, e.opened_session), r.responded_at, r.answer
FROM (
    SELECT DISTINCT ON (episode_id) * FROM detector.response
    WHERE practice_id = ANY(%s) ORDER BY episode_id, answer_revision DESC
) r JOIN detector.episode e USING (episode_id)
LEFT JOIN LATERAL (
    SELECT session_id FROM detector.episode_change c
    WHERE c.episode_id = r.episode_id AND c.change = 'opened' AND c.kept_back IS NULL
    ORDER BY revision LIMIT 1
) told ON true
WHERE e.state <> 'withdrawn'
ORDER BY r.responded_at, r.episode_id
"""


async def read_answers(conn: Connection, practices: list[str]) -> list[tuple[object, ...]]:
    """Rows of `labels.COLUMNS`, one per answered episode, oldest answer first; none for withdrawn ones."""
    rows = await (await conn.execute(_READ, (practices,))).fetchall()
    return [
        (practice, therapist, client, case, session, at.isoformat(), answer)
        for practice, therapist, client, case, session, at, answer in rows
    ]
