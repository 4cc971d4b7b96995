"""Finds the sandboxes: practices of made-up data, which a command erases every night."""

from datetime import datetime, timedelta

from services.runtime.postgres.connect import Connection
from services.runtime.process.sandbox import IN_SANDBOX

LATE = timedelta(hours=26)
"""After a night and two hours for its work, a sandbox that was not erased is one too late."""

_SANDBOXES = f"""
SELECT practice_id, added_at FROM detector.practice WHERE {IN_SANDBOX.format(column="practice_id")} ORDER BY 1
"""
# The first record of an erasure names no tables: one that was interrupted is not over. One of
# a later time was dated by a clock that was ahead.
_LONGEST_AGO = f"""
SELECT min(greatest(added_at, recorded_at)) FROM detector.practice LEFT JOIN (
    SELECT tenant, max(recorded_at) AS recorded_at FROM detector.erasure
    WHERE kind = 'tenant' AND erased_rows <> '{{}}' AND recorded_at <= clock_timestamp() GROUP BY tenant
) whole ON tenant = practice_id WHERE {IN_SANDBOX.format(column="practice_id")}
"""


async def read_sandboxes(conn: Connection) -> dict[str, datetime]:
    """Return the sandboxes, each with when it was added."""
    return dict(await (await conn.execute(_SANDBOXES.encode())).fetchall())


async def longest_ago(conn: Connection) -> datetime | None:
    """Return when the sandbox that was erased or added longest ago was; None without a sandbox."""
    ((at,),) = await (await conn.execute(_LONGEST_AGO.encode())).fetchall()
    found: datetime | None = at
    return found
