"""Records therapists' responses and takes them into the decision about their dyad."""

from services.detector.domain.dyad_work import DyadWork
from services.detector.domain.episode_changes import TherapistAnswer, record_answer
from services.detector.stream.batch import Batch, Tools

_INSERT = """
INSERT INTO detector.response (episode_id, answer_revision, dyad_id, practice_id, answer, responded_at)
SELECT * FROM unnest(%b::uuid[], %b::int[], %b::uuid[], %b::text[], %b::text[], %b::timestamptz[])
ON CONFLICT DO NOTHING
"""


async def record_responses(batch: Batch, _tools: Tools) -> None:
    """Store the responses, also those about episodes that are not known here."""
    answered = [(dyad, one) for dyad in batch.dyads.values() for one in dyad.responses]
    if not answered:
        return
    await batch.tx.conn.execute(
        _INSERT,
        (
            [one.episode_id for _, one in answered],
            [one.answer_revision for _, one in answered],
            [dyad.id for dyad, _ in answered],
            [dyad.who.practice_id for dyad, _ in answered],
            [one.answer.value for _, one in answered],
            [one.responded_at for _, one in answered],
        ),
    )
    for dyad, _ in answered:
        _take(dyad)


def _take(dyad: DyadWork) -> None:
    for one in dyad.responses:
        answered = TherapistAnswer(one.answer_revision, one.answer)
        dyad.decision = record_answer(dyad.decision, one.episode_id, answered)
        dyad.caused_at = max(one.responded_at, dyad.caused_at or one.responded_at)
