"""Defines a practice's dated statistics, and chooses those that a session is scored with."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from services.detector.domain.dated_rows import row_at


@dataclass(frozen=True, slots=True)
class PracticeStatistics:
    """Statistics of a practice's ratings as they were computed once; rows are only added, never changed."""

    version: str
    values: tuple[float, ...]
    """In the order of `services.detector.features.practice_statistics.STATISTICS`."""
    valid_from: datetime | None = None
    """Later than their computation; None: valid at every session, as those computed from a file are."""


def statistics_at(
    rows: Sequence[PracticeStatistics], session_at: datetime, accepted_at: datetime
) -> PracticeStatistics | None:
    """Return the row valid at the session, or when its rating was accepted if that was earlier; else None.

    `rows` are in the order of `valid_from`.

    >>> from datetime import UTC
    >>> row = PracticeStatistics("s-1", (), datetime(2026, 1, 5, tzinfo=UTC))
    >>> day = datetime(2026, 1, 6, tzinfo=UTC)
    >>> statistics_at([row], day, day).version
    's-1'
    """
    return row_at(rows, session_at, accepted_at)
