"""Chooses among a practice's dated rows, which are only added, the one that is valid at a session."""

from bisect import bisect_right
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, time, timedelta
from typing import Generic, Protocol, TypeVar

START_AFTER = timedelta(minutes=5)
"""Longer than any transaction that may still use the earlier rows."""


class Dated(Protocol):
    """A row that is valid until the next one is."""

    @property
    def valid_from(self) -> datetime | None:
        """Later than its computation; None: always valid."""


Row = TypeVar("Row", bound=Dated)
Rows = TypeVar("Rows")


def row_at(rows: Sequence[Row], session_at: datetime, accepted_at: datetime) -> Row | None:
    """Return the row valid at the session, or when its rating was accepted if that was earlier; else None.

    `rows` are in the order of `valid_from`. A row is valid only after it was computed, so a session takes the
    same one whenever it arrives or is replayed.
    """
    at = min(session_at, accepted_at)
    index = bisect_right(rows, at, key=lambda row: row.valid_from or at)
    return rows[index - 1] if index else None


@dataclass(slots=True)
class KnownRows(Generic[Rows]):
    """What was read of practices' rows. Rows are only added, so their number tells whether there are more."""

    _by_practice: dict[str, tuple[int, Rows]] = field(default_factory=dict)

    def outdated(self, numbers: Mapping[str, int]) -> list[str]:
        """Return the practices of whose rows, in this number now, not all were read."""
        known = self._by_practice
        return [id_ for id_, number in numbers.items() if number and known.get(id_, (0,))[0] != number]

    def add(self, practice: str, number: int, rows: Rows) -> None:
        """Keep what was read when there were `number` rows."""
        self._by_practice[practice] = number, rows

    def get(self, practice: str) -> Rows | None:
        """Return what was read of a practice; None when it had no row yet."""
        known = self._by_practice.get(practice)
        return None if known is None else known[1]


def next_midnight(now: datetime) -> datetime:
    """Return the start of the next day in the time zone of `now`; of the day after when it is too near.

    >>> from datetime import UTC
    >>> next_midnight(datetime(2026, 1, 5, 23, 57, tzinfo=UTC)).isoformat()
    '2026-01-07T00:00:00+00:00'
    """
    return datetime.combine((now + START_AFTER).date() + timedelta(days=1), time.min, now.tzinfo)
