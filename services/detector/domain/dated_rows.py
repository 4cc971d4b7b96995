"""Chooses among a practice's dated rows, which are only added, the one that is valid at a session."""

from bisect import bisect_right
from collections.abc import Sequence
from datetime import datetime, time, timedelta
from typing import Protocol, TypeVar

START_AFTER = timedelta(minutes=5)
"""Longer than any transaction that may still use the earlier rows."""


class Dated(Protocol):
    """A row that is valid until the next one is."""

    @property
    def valid_from(self) -> datetime | None:
        """Later than its computation; None: always valid."""


Row = TypeVar("Row", bound=Dated)


def row_at(rows: Sequence[Row], session_at: datetime, accepted_at: datetime) -> Row | None:
    """Return the row valid at the session, or when its rating was accepted if that was earlier; else None.

    `rows` are in the order of `valid_from`. A row is valid only after it was computed, so a session takes the
    same one whenever it arrives or is replayed.
    """
    at = min(session_at, accepted_at)
    index = bisect_right(rows, at, key=lambda row: row.valid_from or at)
    return rows[index - 1] if index else None


def next_midnight(now: datetime) -> datetime:
    """Return the start of the next day in the time zone of `now`; of the day after when it is too near.

    >>> from datetime import UTC
    >>> next_midnight(datetime(2026, 1, 5, 23, 57, tzinfo=UTC)).isoformat()
    '2026-01-07T00:00:00+00:00'
    """
    return datetime.combine((now + START_AFTER).date() + timedelta(days=1), time.min, now.tzinfo)
