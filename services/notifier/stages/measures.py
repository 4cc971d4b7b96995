"""measures: keeps the newest forms beside the alliance, of each client and instrument, for the pages."""

from collections.abc import Sequence

from schemas.events import MeasureStored
from services.notifier.stages.caseload import keep_newest
from services.runtime.outbox.transaction import Transaction


async def measures(tx: Transaction, stored: Sequence[MeasureStored]) -> None:
    """Store the measures of a batch, the highest revision of each, and drop what is older than those kept.

    An event that arrives again, or after a newer revision, changes nothing.
    """
    if not stored:
        return
    newest = {(one.practice_id, one.rating_id): one for one in sorted(stored, key=lambda one: one.revision)}
    async with tx.conn.cursor() as cursor:
        await cursor.executemany(
            "INSERT INTO notifier.measure AS known (practice_id, rating_id, revision, therapist_id,"
            " client_id, session_at, instrument, status, total) VALUES (%s, %s, %s, %s, %s, %s, %s, %s, %s)"
            " ON CONFLICT (practice_id, rating_id) DO UPDATE SET revision = excluded.revision,"
            " therapist_id = excluded.therapist_id, client_id = excluded.client_id,"
            " session_at = excluded.session_at, instrument = excluded.instrument, status = excluded.status,"
            " total = excluded.total WHERE known.revision < excluded.revision",
            # In the order of the key, so that two processes never wait for each other.
            [_row(newest[key]) for key in sorted(newest)],
        )
    clients = sorted({(one.practice_id, one.therapist_id, one.client_id) for one in newest.values()})
    await keep_newest(tx, "measure", "s.instrument, s.status = ANY(%(forms)s)", clients)


def _row(one: MeasureStored) -> tuple[object, ...]:
    return (
        one.practice_id,
        one.rating_id,
        one.revision,
        one.therapist_id,
        one.client_id,
        one.session_at,
        one.instrument,
        one.status.value,
        one.total,
    )
