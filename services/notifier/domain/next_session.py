"""Determines a client's next session: as the practice stated it, or as the rhythm of sessions lets expect."""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import UTC, datetime
from itertools import pairwise
from statistics import median_low
from typing import NamedTuple
from zoneinfo import ZoneInfo

from schemas.events import EpisodeChanged

FEWEST_SESSIONS = 3
"""Fewest sessions that show a rhythm."""


class NextSession(NamedTuple):
    """When a client's next session is; it may have passed."""

    at: datetime
    expected: bool
    """True when nobody stated it and it follows from the rhythm of the sessions before."""


@dataclass(frozen=True, slots=True)
class StatedSession:
    """What the practice stated about the next session."""

    at: datetime | None
    """None: no session is planned."""
    received_at: datetime


def determine_next_session(
    change: EpisodeChanged, stated: StatedSession | None, zone: ZoneInfo
) -> NextSession | None:
    """Return the session after those of `change`; None when none is planned or no rhythm is known.

    The statement received last counts, `stated` or the one that came with the rating. A statement holds
    until a session is known that is not before the stated one, or that took place after it was said that
    none is planned.
    """
    newest = max([change.session_at, *(point.session_at for point in change.trajectory)])
    with_rating = (
        StatedSession(change.next_session_at, change.accepted_at) if change.next_session_at else None
    )
    holding = [
        one
        for one in (with_rating, stated)
        if one is not None and (one.at > newest if one.at is not None else one.received_at >= newest)
    ]
    if holding:
        last = max(holding, key=lambda one: one.received_at)
        return None if last.at is None else NextSession(last.at, expected=False)
    at = expected_session((point.session_at for point in change.trajectory), zone)
    return None if at is None else NextSession(at, expected=True)


def expected_session(sessions: Iterable[datetime], zone: ZoneInfo) -> datetime | None:
    """Return the newest session plus the median gap, by the clock on the wall in `zone`.

    The lower middle one of an even number of gaps is taken, so that the gap is one that occurred. None with
    fewer than `FEWEST_SESSIONS` sessions.

    >>> weekly = (datetime(2026, 3, day, 9, 0, tzinfo=UTC) for day in (12, 19, 26))
    >>> str(expected_session(weekly, ZoneInfo("Europe/Vienna")))  # 10:00 in Vienna, before and after 29 March
    '2026-04-02 08:00:00+00:00'
    """
    on_the_wall = sorted({at.astimezone(zone).replace(tzinfo=None) for at in sessions})
    if len(on_the_wall) < FEWEST_SESSIONS:
        return None
    gap = median_low([later - earlier for earlier, later in pairwise(on_the_wall)])
    return (on_the_wall[-1] + gap).replace(tzinfo=zone).astimezone(UTC)
