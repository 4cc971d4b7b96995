"""Courses in, how much would have been said out: in all, by week and by therapist, beside today's rule."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import date, timedelta

from services.detector.preview.courses import Course, CourseSession

MESSAGES = frozenset({"opened", "deepened"})
"""What an episode does that its therapist is sent a message for."""

DayOf = Callable[[CourseSession], date]


def is_message(session: CourseSession) -> bool:
    """Whether the therapist would have been told after this session."""
    return session.seen.step in MESSAGES


@dataclass(frozen=True, slots=True)
class Said:
    """How often somebody would have been told something."""

    rated: int
    """Sessions with a form."""
    clients: int
    messages: int
    clients_told: int
    flags: int
    """Sessions that today's rule flags."""
    falls: int
    """Those of them that lie low against the session before, not only under the cutoff."""
    clients_flagged: int


@dataclass(frozen=True, slots=True)
class Week:
    """One calendar week, by its Monday."""

    monday: date
    messages: int
    flags: int


@dataclass(frozen=True, slots=True)
class ByTherapist:
    """One therapist, by the first row that names them."""

    first_row: int
    said: Said
    weeks: int
    """Calendar weeks in which they have a rated session."""


@dataclass(frozen=True, slots=True)
class Figures:
    """All that is counted."""

    all: Said
    episodes: int
    weeks: tuple[Week, ...]
    therapists: tuple[ByTherapist, ...]


def count(courses: Sequence[Course], day_of: DayOf) -> Figures:
    """Count messages and flags; `courses` hold at least one session."""
    by_therapist: dict[tuple[str, str], list[Course]] = {}
    for course in courses:
        by_therapist.setdefault((course.practice, course.therapist), []).append(course)
    therapists = [
        ByTherapist(
            first_row=min(session.row for course in theirs for session in course.sessions),
            said=_said(theirs),
            weeks=len({monday(day_of(s)) for c in theirs for s in c.sessions if s.form.answered}),
        )
        for theirs in by_therapist.values()
    ]
    return Figures(
        all=_said(courses),
        episodes=sum(session.seen.step == "opened" for course in courses for session in course.sessions),
        weeks=tuple(_weeks(courses, day_of)),
        therapists=tuple(sorted(therapists, key=lambda one: one.first_row)),
    )


def monday(day: date) -> date:
    """The first day of its week."""
    return day - timedelta(days=day.weekday())


def _said(courses: Sequence[Course]) -> Said:
    return Said(
        rated=sum(session.form.answered > 0 for course in courses for session in course.sessions),
        clients=len(courses),
        messages=sum(is_message(session) for course in courses for session in course.sessions),
        clients_told=sum(any(map(is_message, course.sessions)) for course in courses),
        flags=sum(session.by_rule for course in courses for session in course.sessions),
        falls=sum(session.by_fall for course in courses for session in course.sessions),
        clients_flagged=sum(any(session.by_rule for session in course.sessions) for course in courses),
    )


def _weeks(courses: Sequence[Course], day_of: DayOf) -> list[Week]:
    messages: dict[date, int] = {}
    flags: dict[date, int] = {}
    for course in courses:
        for session in course.sessions:
            week = monday(day_of(session))
            messages[week] = messages.get(week, 0) + is_message(session)
            flags[week] = flags.get(week, 0) + session.by_rule
    first, last = min(messages), max(messages)
    days = [first + timedelta(weeks=week) for week in range((last - first).days // 7 + 1)]
    return [Week(day, messages.get(day, 0), flags.get(day, 0)) for day in days]
