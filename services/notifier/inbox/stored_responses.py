"""Reads therapists' answers as they were published, so that those a log lost are published again."""

from datetime import datetime

from schemas.events import TherapistResponded
from schemas.ids import EpisodeId, response_event_id
from schemas.topics import THERAPIST_RESPONDED
from services.notifier.inbox.record_response import response_value
from services.runtime.process.cli_plugin import Connection, StoredEvent

_ANSWERS = """
SELECT a.episode_id, a.answer_revision, a.answer, a.topic, a.therapist_id, a.answered_at, i.practice_id,
    i.client_id, i.case_id, i.partition, i.record_key
FROM notifier.answer a JOIN notifier.item i USING (practice_id, episode_id)
WHERE a.answered_at >= %s ORDER BY a.answered_at, a.episode_id, a.answer_revision
"""


async def stored_events(conn: Connection, since: datetime) -> list[StoredEvent]:
    """Return the answers that were published since a time, as they were published."""
    rows = await conn.execute(_ANSWERS, (since,))
    events = []
    async for episode, revision, answer, topic, therapist, at, practice, client, case, partition, key in rows:
        response = TherapistResponded(
            episode_id=episode,
            answer_revision=revision,
            answer=answer,
            topic=topic,
            practice_id=practice,
            therapist_id=therapist,
            client_id=client,
            case_id=case,
            responded_at=at,
        )
        event_id = str(response_event_id(EpisodeId(episode), revision))
        what = f"answer {revision} to episode {episode} of {practice}"
        value = response_value(response, bytes(key))
        events.append(StoredEvent(event_id, what, THERAPIST_RESPONDED.name, partition, bytes(key), value))
    return events
