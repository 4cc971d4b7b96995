"""Reads rejected records, so that they can be published again with the same bytes and keys."""

from dataclasses import dataclass

from services.runtime.kafka.record import Outgoing
from services.runtime.postgres.connect import Connection

_READ = """
SELECT topic, partition, "offset", key, value, reason FROM detector.rejection
WHERE (%(tenant)s::text IS NULL OR tenant = %(tenant)s) AND (%(reason)s::text IS NULL OR reason = %(reason)s)
    AND key IS NOT NULL AND value IS NOT NULL
ORDER BY xid, seq LIMIT %(limit)s
"""


@dataclass(frozen=True, slots=True)
class ReplayableRejection:
    """One rejected record: why, and what is published again."""

    reason: str
    outgoing: Outgoing


async def read_rejected(
    conn: Connection, *, tenant: str | None, reason: str | None, limit: int
) -> list[ReplayableRejection]:
    """ReplayableRejection records, oldest first, as they were when they were read."""
    values = {"tenant": tenant, "reason": reason, "limit": limit}
    rows = await (await conn.execute(_READ, values)).fetchall()
    return [
        ReplayableRejection(why, Outgoing(topic, bytes(key), bytes(value), partition))
        for topic, partition, _, key, value, why in rows
    ]
