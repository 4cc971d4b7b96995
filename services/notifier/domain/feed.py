"""Decides when a practice's feed of ratings has fallen silent, from the days on which it sent some."""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import date
from enum import StrEnum
from itertools import pairwise

DAYS_KEPT = 21
"""The newest days with ratings that are looked at."""
FEWEST_GAPS = 10
"""With fewer gaps between such days, a practice is not known to send regularly."""
TIMES_USUAL = 3
"""A feed is silent after more than this many times its usual gap."""


class FeedReason(StrEnum):
    """Why a practice's contact was told that its feed is silent, or was not."""

    FEED_SILENT = "feed-silent"
    """Told: no ratings for more than three times the usual gap."""
    NO_CONTACT = "no-contact"
    """Held back: the practice has named no contact."""


@dataclass(frozen=True, slots=True)
class FeedSilence:
    """A silence: the last day with ratings, and the usual gap before it."""

    last_day: date
    usual_gap_days: int


def find_silence(days: Iterable[date], today: date) -> FeedSilence | None:
    """Return the silence of a feed; None while it is not silent, or not known to be regular.

    The usual gap is the longest between the newest days with ratings, one aside: weekends count, and a single
    holiday or an earlier silence does not.

    >>> weekdays = [date(2026, 6, day) for day in (1, 2, 3, 4, 5, 8, 9, 10, 11, 12, 15, 16)]
    >>> find_silence(weekdays, date(2026, 6, 25)) is None
    True
    >>> find_silence(weekdays, date(2026, 6, 26))
    FeedSilence(last_day=datetime.date(2026, 6, 16), usual_gap_days=3)
    """
    newest = sorted(set(days))[-DAYS_KEPT:]
    gaps = sorted((later - earlier).days for earlier, later in pairwise(newest))
    if len(gaps) < FEWEST_GAPS or (today - newest[-1]).days <= TIMES_USUAL * gaps[-2]:
        return None
    return FeedSilence(newest[-1], gaps[-2])
