"""Reads every rating of a practice as it was sent."""

from collections.abc import AsyncIterator

import msgspec

from services.detector.received import Rated, RatedEvent, arriving
from services.detector.storage.ratings import COLUMNS, version_of
from services.runtime.process.cli_plugin import Connection

_RATINGS = f"""
SELECT {COLUMNS}, count(*) OVER (PARTITION BY r.client_id, r.session_id, r.instrument)
FROM detector.rating r JOIN detector.dyad d USING (practice_id, dyad_id)
WHERE r.practice_id = %s ORDER BY r.session_at, r.accepted_at, r.rating_id
"""
_WAITING = """
SELECT value FROM detector.blocked WHERE practice_id = %s AND rating_id IS NOT NULL
ORDER BY session_at, recorded_at, partition, "offset"
"""
_ROWS_AT_ONCE = 2_000


async def ratings_as_sent(conn: Connection, practice: str) -> AsyncIterator[bytes]:
    """Yield every version of every rating of a practice as the body that is sent, by session.

    The newest of several versions is current wherever they are sent: where the practice's system did not say
    when it recorded one, the time of its acceptance is stated.
    """
    async with conn.cursor("ratings_as_sent", binary=True) as cursor:
        cursor.itersize = _ROWS_AT_ONCE
        await cursor.execute(_RATINGS, (practice,))
        async for *columns, versions in cursor:
            version = version_of(columns)
            yield _body(version.rating, states_recorded_at=versions > 1)
    async with conn.cursor("ratings_waiting", binary=True) as cursor:
        cursor.itersize = _ROWS_AT_ONCE
        await cursor.execute(_WAITING, (practice,))
        async for (value,) in cursor:
            event = arriving.decode(value)
            if isinstance(event, RatedEvent):
                yield _body(event.data, states_recorded_at=True)


def _body(rating: Rated, *, states_recorded_at: bool) -> bytes:
    recorded_at = rating.recorded_at or (rating.accepted_at if states_recorded_at else None)
    sent = {
        "id": rating.rating_id,
        "client_id": rating.client_id,
        "therapist_id": rating.therapist_id,
        "case_id": rating.case_id or None,
        "session_id": rating.session_id,
        "session_at": rating.session_at,
        "instrument": rating.instrument,
        "items": rating.items,
        "scores": rating.scores,
        "total": rating.total,
        "status": rating.status,
        "next_session_at": rating.next_session_at,
        "recorded_at": recorded_at,
    }
    return msgspec.json.encode({name: value for name, value in sent.items() if value is not None})
