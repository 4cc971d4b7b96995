"""Counts messages and today's flags: in all, by week and by therapist."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import date, timedelta

from services.detector.preview.courses import Course, CourseSession

DayOf = Callable[[CourseSession], date]


@dataclass(frozen=True, slots=True)
class AlertCounts:
    """How many messages Rapport would have sent, and how many sessions today's rule flags."""

    rated: int
    """Sessions with a form."""
    clients: int
    messages: int
    clients_with_messages: int
    flags: int
    """Sessions that today's rule flags."""
    falls: int
    """Flagged sessions with a drop since the session before; the others are only below the cutoff."""
    clients_flagged: int


@dataclass(frozen=True, slots=True)
class Week:
    """One calendar week, named by its Monday."""

    monday: date
    messages: int
    flags: int


@dataclass(frozen=True, slots=True)
class TherapistCounts:
    """One therapist, named by the first row of the file that mentions them."""

    first_row: int
    counts: AlertCounts
    weeks: int
    """Calendar weeks with a rated session of this therapist."""


@dataclass(frozen=True, slots=True)
class Figures:
    """All counts of a table."""

    total: AlertCounts
    episodes: int
    weeks: tuple[Week, ...]
    therapists: tuple[TherapistCounts, ...]

    @property
    def in_words(self) -> str:
        """Return in a sentence, without its full stop, what Rapport would have told."""
        total = self.total
        return (
            f"{counted(total.rated, 'rated session')} of {counted(total.clients, 'client')}: Rapport would"
            f" have sent {counted(total.messages, 'message')} in {counted(self.episodes, 'episode')}"
        )


def counted(number: int, what: str) -> str:
    """Return a number with what is counted, in the plural unless it is one."""
    return f"{number:,} {what}{'' if number == 1 else 's'}"


def count(courses: Sequence[Course], day_of: DayOf) -> Figures:
    """Count messages and flags; each course must have a session that counts."""
    by_therapist: dict[tuple[str, str], list[Course]] = {}
    for course in courses:
        by_therapist.setdefault((course.practice, course.therapist), []).append(course)
    therapists = [
        TherapistCounts(
            first_row=min(session.row for course in theirs for session in course.sessions),
            counts=_alert_counts(theirs),
            weeks=len(
                {monday(day_of(s)) for c in theirs for s in c.sessions if s.counted and s.form.answered}
            ),
        )
        for theirs in by_therapist.values()
    ]
    return Figures(
        total=_alert_counts(courses),
        episodes=sum(
            session.counted and session.episode_step.step == "opened"
            for course in courses
            for session in course.sessions
        ),
        weeks=tuple(_weeks(courses, day_of)),
        therapists=tuple(sorted(therapists, key=lambda therapist: therapist.first_row)),
    )


def monday(day: date) -> date:
    """Return the Monday of a day's week."""
    return day - timedelta(days=day.weekday())


def _alert_counts(courses: Sequence[Course]) -> AlertCounts:
    counted = [[session for session in course.sessions if session.counted] for course in courses]
    return AlertCounts(
        rated=sum(session.form.answered > 0 for sessions in counted for session in sessions),
        clients=len(courses),
        messages=sum(session.told for sessions in counted for session in sessions),
        clients_with_messages=sum(any(session.told for session in sessions) for sessions in counted),
        flags=sum(session.by_rule for sessions in counted for session in sessions),
        falls=sum(session.by_fall for sessions in counted for session in sessions),
        clients_flagged=sum(any(session.by_rule for session in sessions) for sessions in counted),
    )


def _weeks(courses: Sequence[Course], day_of: DayOf) -> list[Week]:
    messages: dict[date, int] = {}
    flags: dict[date, int] = {}
    for course in courses:
        for session in course.sessions:
            if not session.counted:
                continue
            week = monday(day_of(session))
            messages[week] = messages.get(week, 0) + session.told
            flags[week] = flags.get(week, 0) + session.by_rule
    first, last = min(messages), max(messages)
    days = [first + timedelta(weeks=week) for week in range((last - first).days // 7 + 1)]
    return [Week(day, messages.get(day, 0), flags.get(day, 0)) for day in days]
