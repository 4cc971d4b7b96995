"""Takes up answers that were published, and that the database lost when it was restored."""

from pydantic import ValidationError

from schemas.envelope import TherapistRespondedEvent, decode
from schemas.events import TherapistResponded
from services.notifier.directory.store import Connection
from services.notifier.inbox.items import give_answers_found
from services.runtime.consumer.published_check import FoundRecords

_STORE = """
INSERT INTO notifier.answered_before (episode_id, answer_revision, answer, topic, therapist_id, answered_at)
SELECT %(episode)s, %(revision)s, %(answer)s, %(topic)s, %(therapist)s, %(at)s
WHERE NOT EXISTS (SELECT FROM notifier.answer a
    WHERE a.episode_id = %(episode)s AND a.answer_revision = %(revision)s)
ON CONFLICT DO NOTHING
"""


async def take_up(conn: Connection, found: FoundRecords) -> int:
    """Store the answers that this database lacks, so that no later one gets the revision of one of them."""
    answers = [one for record in found.records if (one := _answer(record.value)) is not None]
    lacking = 0
    for one in answers:
        stored = await conn.execute(
            _STORE,
            {
                "episode": one.episode_id,
                "revision": one.answer_revision,
                "answer": one.answer.value,
                "topic": one.topic,
                "therapist": one.therapist_id,
                "at": one.responded_at,
            },
        )
        lacking += stored.rowcount
    if lacking:
        await give_answers_found(conn, {one.episode_id for one in answers})
    return lacking


def _answer(value: bytes | None) -> TherapistResponded | None:
    try:
        event = decode(value or b"")
    except ValidationError:
        return None  # not written by this service
    return event.data if isinstance(event, TherapistRespondedEvent) else None
