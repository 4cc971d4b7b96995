"""measures: keeps the newest forms beside the alliance, of each client and instrument, for the pages."""

from collections.abc import Sequence

from schemas.events import FORM_STATUSES, MeasureStored
from services.notifier.stages.caseload import SESSIONS_KEPT
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
    await tx.conn.execute(
        "DELETE FROM notifier.measure WHERE (practice_id, rating_id) IN ("
        " SELECT practice_id, rating_id FROM unnest(%s::text[], %s::text[], %s::text[])"
        " AS client (practice_id, therapist_id, client_id) JOIN LATERAL ("
        " SELECT m.rating_id, row_number() OVER (PARTITION BY m.instrument, m.status = ANY(%s)"
        " ORDER BY m.session_at DESC, m.rating_id) AS place FROM notifier.measure m"
        " WHERE m.practice_id = client.practice_id AND m.therapist_id = client.therapist_id"
        " AND m.client_id = client.client_id) kept ON kept.place > %s)",
        (*(list(column) for column in zip(*clients, strict=True)), sorted(FORM_STATUSES), SESSIONS_KEPT),
    )


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
