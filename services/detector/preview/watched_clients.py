"""Finds the clients whose marks fell most and those who stopped coming, and whether a message came before."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import timedelta
from statistics import median

from schemas.instruments.catalogue import Catalogue
from schemas.instruments.scoring import to_units
from services.detector.domain.episodes import SILENT_DAYS
from services.detector.domain.session_risk import EARLY_RATINGS
from services.detector.preview.counts import DayOf
from services.detector.preview.courses import Course, CourseSession, mean_of

MOST_FALLS = 5
_BEFORE = 6
"""A message counts as one before when it came at most this many sessions earlier."""


@dataclass(frozen=True, slots=True)
class LargestFall:
    """The session at which the mean of a client's marks was furthest below the ones before."""

    first_row: int
    """First row of this client."""
    when: str
    usual: str
    """Median of the means of all earlier forms, in the questionnaire's units."""
    mark: str
    message: str
    """Whether there was a message before or at this session."""


@dataclass(frozen=True, slots=True)
class WatchedClients:
    """The clients that a practice asks about first."""

    falls: tuple[LargestFall, ...]
    """The largest first."""
    stopped: int
    """Clients whose last session is more than six weeks before the end of the table."""
    stopped_after_message: int
    """Those of them with a message in their last sessions."""


def find_watched(courses: Sequence[Course], catalogue: Catalogue, day_of: DayOf) -> WatchedClients:
    """Return what the ratings say of these clients; there must be at least one session."""
    found = [(fall, _described(course, place, usual, catalogue, day_of))
             for course in courses
             for fall, place, usual in _largest_fall(course)]  # fmt: skip
    found.sort(key=lambda pair: -pair[0])
    end = max(day_of(session) for course in courses for session in course.sessions)
    silent = end - timedelta(days=SILENT_DAYS)
    stopped = [course for course in courses if day_of(course.sessions[-1]) < silent]
    return WatchedClients(
        falls=tuple(fall for _, fall in found[:MOST_FALLS]),
        stopped=len(stopped),
        stopped_after_message=sum(
            any(session.told for session in course.sessions[-_BEFORE:]) for course in stopped
        ),
    )


def _largest_fall(course: Course) -> list[tuple[float, int, float]]:
    """Return how far, at which place and below which level the marks fell most; empty if they never did."""
    before: list[float] = []
    falls = []
    for place, session in enumerate(course.sessions):
        mean = mean_of(session)
        if mean is None:
            continue
        if session.counted and len(before) >= EARLY_RATINGS:
            usual = median(before)
            falls.append((usual - mean, place, usual))
        before.append(mean)
    largest = max(falls, key=lambda one: one[0], default=None)
    return [] if largest is None or largest[0] <= 0 else [largest]


def _described(course: Course, place: int, usual: float, catalogue: Catalogue, day_of: DayOf) -> LargestFall:
    session = course.sessions[place]
    instrument = catalogue.get(session.form.order.instrument)
    return LargestFall(
        first_row=min(each.row for each in course.sessions),
        when=f"{day_of(session):%-d %B %Y}",
        usual=f"{to_units(instrument, usual):.{instrument.decimals}f}",
        mark=f"{to_units(instrument, mean_of(session) or 0.0):.{instrument.decimals}f}",
        message=_message(course.sessions, place, day_of),
    )


def _message(sessions: Sequence[CourseSession], place: int, day_of: DayOf) -> str:
    if sessions[place].told:
        return "at this session"
    for at in range(place - 1, max(place - _BEFORE, 0) - 1, -1):
        if sessions[at].told:
            return f"before, on {day_of(sessions[at]):%-d %B %Y}"
    return "none"
