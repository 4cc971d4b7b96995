"""Chooses which practices a weekly job renews today, and marks each before anything is computed for it.

Each practice has a day of the week, from the hash of its id, so that the work spreads over the week. Until a
practice has a row, it is tried every day.
"""

from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from datetime import date, timedelta
from typing import Protocol
from zlib import crc32

from services.runtime.outbox.transaction import Transaction
from services.runtime.process.sandbox import is_sandbox

RENEWAL_DAYS = 7
LATEST_DAYS = 14
"""From this age of its row on a practice is renewed on any day of the week: its own was missed."""

# Clocks of replicas may differ by a day around midnight; a day further ahead is a clock's error.
_TRIED = "SELECT practice_id FROM detector.renewal WHERE job = %s AND tried_on BETWEEN %s AND %s"
_MARK = """
INSERT INTO detector.renewal AS r (practice_id, job, tried_on) VALUES (%s, %s, %s)
ON CONFLICT (practice_id, job) DO UPDATE SET tried_on = CASE
    WHEN r.tried_on > EXCLUDED.tried_on + 1 THEN EXCLUDED.tried_on
    ELSE greatest(r.tried_on, EXCLUDED.tried_on) END
"""


class AddRow(Protocol):
    """Adds the new row of one practice, or none where too little is known about it."""

    def __call__(self, tx: Transaction, *, practice: str) -> Awaitable[None]:
        """Add it in this transaction."""


@dataclass(frozen=True, slots=True)
class WeeklyJob:
    """One kind of dated row that is computed from a practice's recent sessions."""

    name: str
    newest_rows: Callable[[Transaction], Awaitable[Mapping[str, date | None]]]
    """Returns, for each practice, the day (UTC) of its newest row; None without one."""
    add: AddRow


async def practices_due(tx: Transaction, job: WeeklyJob, day: date) -> list[str]:
    """Return the practices that `job` renews on that day and has not tried yet on it, in order.

    A sandbox is none of them: nothing is computed that would outlive its night.
    """
    rows = await tx.conn.execute(_TRIED, (job.name, day, day + timedelta(days=1)))
    tried = {practice for (practice,) in await rows.fetchall()}
    newest = await job.newest_rows(tx)
    known = {one: last for one, last in newest.items() if one not in tried and not is_sandbox(one)}
    return sorted(one for one, last in known.items() if is_due(one, last, day))


async def mark_tried(tx: Transaction, job: WeeklyJob, day: date, *, practice: str) -> None:
    """Store that `job` tries this practice on that day; commit it before the job begins."""
    await tx.conn.execute(_MARK, (practice, job.name, day))


def is_due(practice: str, newest: date | None, day: date) -> bool:
    """Whether a practice whose newest row is of the day `newest` gets another one on `day`.

    >>> is_due("north", None, date(2026, 3, 2)), is_due("north", date(2026, 3, 2), date(2026, 3, 8))
    (True, False)

    A row of a day ahead was computed by a clock that was ahead: it does not put off the next one.
    """
    if newest is None or day - newest >= timedelta(days=LATEST_DAYS):
        return True
    own_day = (day.toordinal() + crc32(practice.encode())) % 7 == 0
    is_ahead = newest > day + timedelta(days=1)
    return own_day and (is_ahead or day - newest >= timedelta(days=RENEWAL_DAYS))
