"""Reads the newest answers of practices' therapists: each with its session, or counted by kind of message."""

from collections import Counter
from collections.abc import Sequence

import msgspec

from schemas.events import Answer
from services.detector.contracts import StatedFacts
from services.detector.domain.message_precision import RUPTURE_BY_ANSWER, AnswersByKind, kinds_of
from services.runtime.postgres.connect import Connection

_READ = """
SELECT e.practice_id, e.therapist_id, e.client_id, e.case_id,
    coalesce(told.session_id, e.opened_session), r.responded_at, r.answer, coalesce(r.topic, '')
FROM (
    SELECT DISTINCT ON (practice_id, episode_id) * FROM detector.response
    WHERE practice_id = ANY(%s) ORDER BY practice_id, episode_id, answer_revision DESC
) r JOIN detector.episode e USING (practice_id, episode_id)
LEFT JOIN LATERAL (
    SELECT session_id FROM detector.episode_change c
    WHERE c.practice_id = r.practice_id AND c.episode_id = r.episode_id AND c.change = 'opened'
        AND c.kept_back IS NULL
    ORDER BY revision LIMIT 1
) told ON true
WHERE e.state <> 'withdrawn'
ORDER BY r.responded_at, r.episode_id
"""


async def read_answers(conn: Connection, practices: list[str]) -> list[tuple[object, ...]]:
    """Rows of `labels.COLUMNS`, one per answered episode, oldest answer first; none for withdrawn ones."""
    rows = await (await conn.execute(_READ, (practices,))).fetchall()
    return [
        (practice, therapist, client, case, session, at.isoformat(), answer, topic)
        for practice, therapist, client, case, session, at, answer, topic in rows
    ]


_ABOUT_MESSAGES = """
SELECT r.practice_id, r.answer, told.facts
FROM (
    SELECT DISTINCT ON (practice_id, episode_id) practice_id, episode_id, answer FROM detector.response
    WHERE practice_id = ANY(%s) ORDER BY practice_id, episode_id, answer_revision DESC
) r JOIN detector.episode e USING (practice_id, episode_id) CROSS JOIN LATERAL (
    SELECT c.data -> 'facts' AS facts FROM detector.episode_change c
    WHERE c.practice_id = r.practice_id AND c.episode_id = r.episode_id AND c.change = 'opened'
        AND c.kept_back IS NULL
    ORDER BY revision LIMIT 1
) told
WHERE r.answer = ANY(%s) AND told.facts IS NOT NULL AND e.state <> 'withdrawn'
"""


async def count_answers(conn: Connection, practices: Sequence[str]) -> dict[str, AnswersByKind]:
    """Count, for each of these practices, the answers that say whether a message was right, by its kind.

    As in `read_answers`, withdrawn episodes are left out: the ratings behind their messages were wrong.
    """
    answers = [answer.value for answer in RUPTURE_BY_ANSWER]
    rows = await (await conn.execute(_ABOUT_MESSAGES, (list(practices), answers))).fetchall()
    right: Counter[tuple[str, str]] = Counter()
    count: Counter[tuple[str, str]] = Counter()
    for practice, answer, facts in rows:
        kind, _ = kinds_of(msgspec.convert(facts, StatedFacts))
        count[practice, kind] += 1
        right[practice, kind] += RUPTURE_BY_ANSWER[Answer(answer)]
    return {
        id_: {kind: (right[id_, kind], of) for (practice, kind), of in count.items() if practice == id_}
        for id_ in practices
    }
