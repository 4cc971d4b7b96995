"""Gives every client of a therapist a running number, for practices that hide their own references."""

from collections.abc import Collection

from schemas.events import FORM_STATUSES
from services.notifier.directory.store import Connection
from services.runtime.outbox.erasures import pass_gate

# Two processes wait for each other at the counter. The second then finds the clients numbered, and leaves a
# gap in the numbers; none is given twice.
_ASSIGN = """
WITH missing AS (
    SELECT client_id, min(session_at) AS first_at FROM (
        SELECT client_id, session_at FROM notifier.assessed_session WHERE practice_id = %(practice)s
            AND therapist_id = %(therapist)s AND status = ANY(%(forms)s)
        UNION ALL SELECT client_id, session_at FROM notifier.measure WHERE practice_id = %(practice)s
            AND therapist_id = %(therapist)s AND status = ANY(%(forms)s)
        UNION ALL SELECT client_id, session_at FROM notifier.item WHERE practice_id = %(practice)s
            AND therapist_id = %(therapist)s
    ) seen WHERE NOT EXISTS (
        SELECT FROM notifier.client_number known WHERE known.practice_id = %(practice)s
            AND known.therapist_id = %(therapist)s AND known.client_id = seen.client_id
    ) GROUP BY client_id
), counter AS (
    INSERT INTO notifier.client_counter AS known (practice_id, therapist_id, last_number)
    SELECT %(practice)s, %(therapist)s, count(*) FROM missing HAVING count(*) > 0
    ON CONFLICT (practice_id, therapist_id) DO UPDATE
        SET last_number = known.last_number + excluded.last_number
    RETURNING last_number
)
INSERT INTO notifier.client_number (practice_id, therapist_id, client_id, number)
SELECT %(practice)s, %(therapist)s, client_id,
    last_number - count(*) OVER () + row_number() OVER (ORDER BY first_at, client_id)
FROM missing, counter ON CONFLICT (practice_id, therapist_id, client_id) DO NOTHING
"""


async def number_all_clients(conn: Connection, practice_id: str, therapist_id: str) -> None:
    """Give the clients of the therapist who have no number yet one, in the order in which they first came."""
    await pass_gate(conn)
    values = {"practice": practice_id, "therapist": therapist_id, "forms": sorted(FORM_STATUSES)}
    await conn.execute(_ASSIGN, values)


async def number_clients(
    conn: Connection, practice_id: str, therapist_id: str, clients: Collection[str]
) -> dict[str, int]:
    """Return the number of each of these clients, who have an item or a session with this therapist."""
    wanted = set(clients)
    found = await _numbers(conn, practice_id, therapist_id, wanted)
    if wanted - found.keys():
        await number_all_clients(conn, practice_id, therapist_id)
        found = await _numbers(conn, practice_id, therapist_id, wanted)
    return found


async def _numbers(
    conn: Connection, practice_id: str, therapist_id: str, clients: Collection[str]
) -> dict[str, int]:
    rows = await conn.execute(
        "SELECT client_id, number FROM notifier.client_number"
        " WHERE practice_id = %s AND therapist_id = %s AND client_id = ANY(%s)",
        (practice_id, therapist_id, sorted(clients)),
    )
    return dict(await rows.fetchall())
