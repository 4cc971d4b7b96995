"""Defines a practice's dated rows, its thresholds and statistics, and chooses those valid at a session.

Rows are only ever added, each valid from a time after it was computed; so a session takes the same one
whenever it arrives or is replayed.
"""

from bisect import bisect_right
from collections.abc import Sequence
from dataclasses import dataclass
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

    `rows` are in the order of `valid_from`.
    """
    at = min(session_at, accepted_at)
    index = bisect_right(rows, at, key=lambda row: row.valid_from or at)
    return rows[index - 1] if index else None


@dataclass(frozen=True, slots=True)
class Threshold:
    """The risk from which a session is flagged; `version` identifies where it comes from."""

    version: str
    value: float
    valid_from: datetime | None = None
    """None: the model's own, always valid."""


@dataclass(frozen=True, slots=True)
class PracticeStatistics:
    """Statistics of a practice's ratings as they were computed once."""

    version: str
    values: tuple[float, ...]
    """In the order of `services.detector.features.practice_statistics.STATISTICS`."""
    valid_from: datetime | None = None
    """None: valid at every session, as those computed from a file are."""


def default_threshold(model_version: str, value: float) -> Threshold:
    """Return the model's own threshold, which applies until a practice has one."""
    return Threshold(default_version(model_version), value)


def default_version(model_version: str) -> str:
    """Return the version of a model's own threshold."""
    return f"default-{model_version}"


def threshold_at(
    rows: Sequence[Threshold], default: Threshold, session_at: datetime, accepted_at: datetime
) -> Threshold:
    """Return the row valid at the session, or when its rating was accepted if that was earlier.

    `rows` are in the order of `valid_from`; before the first one `default` applies.

    >>> from datetime import UTC
    >>> own, day = Threshold("own-1", 0.4, datetime(2026, 1, 5, tzinfo=UTC)), datetime(2026, 1, 6, tzinfo=UTC)
    >>> threshold_at([own], default_threshold("m1", 0.5), day, day).version
    'own-1'
    """
    return (row_at(rows, session_at, accepted_at) if rows else None) or default


def next_midnight(now: datetime) -> datetime:
    """Return the start of the next day in the time zone of `now`; of the day after when it is too near.

    >>> from datetime import UTC
    >>> next_midnight(datetime(2026, 1, 5, 23, 57, tzinfo=UTC)).isoformat()
    '2026-01-07T00:00:00+00:00'
    """
    return datetime.combine((now + START_AFTER).date() + timedelta(days=1), time.min, now.tzinfo)
