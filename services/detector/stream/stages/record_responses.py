"""Records therapists' responses and takes them into the decision about their dyad."""

from services.detector.domain.episode_changes import TherapistAnswer, record_answer
from services.detector.stream.batch import Batch, Tools

_INSERT = """
INSERT INTO detector.response (episode_id, answer_revision, dyad_id, practice_id, answer, topic, responded_at)
SELECT * FROM unnest(%b::uuid[], %b::int[], %b::uuid[], %b::text[], %b::text[], %b::text[], %b::timestamptz[])
ON CONFLICT DO NOTHING
"""


async def record_responses(batch: Batch, _tools: Tools) -> None:
    """Store the responses, also those about episodes that are not known here."""
    responses = [(dyad, response) for dyad in batch.dyads.values() for response in dyad.responses]
    if not responses:
        return
    await batch.tx.conn.execute(
        _INSERT,
        (
            [response.episode_id for _, response in responses],
            [response.answer_revision for _, response in responses],
            [dyad.id for dyad, _ in responses],
            [dyad.who.practice_id for dyad, _ in responses],
            [response.answer.value for _, response in responses],
            [response.topic and response.topic.value for _, response in responses],
            [response.responded_at for _, response in responses],
        ),
    )
    for dyad, response in responses:
        answer = TherapistAnswer(response.answer_revision, response.answer)
        dyad.decision = record_answer(dyad.decision, response.episode_id, answer)
        dyad.caused_at = max(response.responded_at, dyad.caused_at or response.responded_at)
