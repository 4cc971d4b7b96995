"""Takes up answers that were published, and that the database lost when it was restored."""

from pydantic import ValidationError

from schemas.envelope import TherapistRespondedEvent, decode
from schemas.events import TherapistResponded
from schemas.ids import erasure_subjects
from services.notifier.directory.store import Connection
from services.notifier.inbox.items import give_answers_found
from services.runtime.consumer.published_check import FoundRecords
from services.runtime.outbox.erasures import Erasures, Subject, pass_gate

_STORE = """
INSERT INTO notifier.answered_before (episode_id, answer_revision, answer, topic, therapist_id, answered_at)
SELECT %(episode)s, %(revision)s, %(answer)s, %(topic)s, %(therapist)s, %(at)s
WHERE NOT EXISTS (SELECT FROM notifier.answer a
    WHERE a.episode_id = %(episode)s AND a.answer_revision = %(revision)s)
ON CONFLICT DO NOTHING
"""


async def take_up(conn: Connection, found: FoundRecords, erasures: Erasures) -> int:
    """Store the answers that this database lacks, so that no later one gets the revision of one of them.

    What it lacks because it was erased stays lacking.
    """
    await pass_gate(conn)
    answers = [one for record in found.records if (one := _answer(record.value)) is not None]
    if answers and await erasures.newest(conn) is not None:
        until = await erasures.until(conn, {subject for one in answers for subject in _subjects(one)})
        answers = [
            one
            for one in answers
            if not any(one.responded_at <= until[of] for of in _subjects(one) if of in until)
        ]
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


def _subjects(answer: TherapistResponded) -> tuple[Subject, ...]:
    return erasure_subjects(answer.practice_id, answer.therapist_id, answer.client_id)


def _answer(value: bytes | None) -> TherapistResponded | None:
    try:
        event = decode(value or b"")
    except ValidationError:
        return None  # not written by this service
    return event.data if isinstance(event, TherapistRespondedEvent) else None
