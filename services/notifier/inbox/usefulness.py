"""Counts what came of a therapist's own messages; it is shown to that therapist and to nobody else."""

from dataclasses import dataclass

from schemas.events import Answer, Change, TalkedAbout
from services.notifier.directory.store import Connection


@dataclass(frozen=True, slots=True)
class Outcomes:
    """How many messages a therapist got, and what became of them."""

    messages: int
    """Items, without those that were withdrawn."""
    talked_about: int
    back_at_usual: int


async def count_outcomes(conn: Connection, practice_id: str, therapist_id: str) -> Outcomes:
    """Return the counts over all items of one therapist.

    A message counts as talked about when the answer says so, or when a topic does.
    """
    row = await (
        await conn.execute(
            "SELECT count(*), count(*) FILTER (WHERE CASE WHEN topic IS NULL THEN answer = %s"
            " ELSE topic <> %s END), count(*) FILTER (WHERE state = %s) FROM notifier.item"
            " WHERE practice_id = %s AND therapist_id = %s AND state <> %s",
            (
                Answer.DISCUSSED.value,
                TalkedAbout.NOT_TALKED_ABOUT.value,
                Change.REPAIRED.value,
                practice_id,
                therapist_id,
                Change.WITHDRAWN.value,
            ),
        )
    ).fetchone()
    return Outcomes(*row) if row is not None else Outcomes(0, 0, 0)
