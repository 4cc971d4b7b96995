"""Courses in, episodes in words out: what moved against what is usual, over which sessions, how sure."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from math import isnan

from schemas.events import Component, Movement
from schemas.instruments.catalogue import Catalogue
from schemas.instruments.instrument import Instrument
from schemas.instruments.scoring import to_units
from services.detector.domain.assessment import Assessment
from services.detector.preview.charts import MOST_POINTS, CourseChart, draw
from services.detector.preview.counts import DayOf, is_message
from services.detector.preview.courses import Course, CourseSession

_MOVED = {
    Movement.SUDDEN_FALL: "The ratings came out lower than is usual for this client.",
    Movement.SLOW_SLIDE: "Over some sessions the ratings slid, little by little, below this client's usual.",
    Movement.DECLINED_FORMS: "Of late the form stayed empty, which this client used to fill in.",
    Movement.EVERYTHING: "The ratings of everything came out lower at once.",
    Movement.LOW_FROM_START: "The ratings have been low from the first sessions on.",
}
_UNCLEAR = "The ratings moved; whether at once or little by little is not clear yet."
_NAMES = {
    Component.BOND: "The relationship (bond)",
    Component.GOAL: "Agreement on goals",
    Component.TASK: "Agreement on tasks and method",
    Component.OVERALL: "The session as a whole",
}
_QUESTIONS = {
    Component.GOAL: "What would you most like to get out of our work from here?",
    Component.TASK: "Was there anything in how we worked last time that was not helpful?",
    Component.BOND: "How was it for you to be here last time?",
    Component.OVERALL: "Is there a moment of last session that comes to mind when you think of that mark?",
}
_QUESTION_OF = {
    Movement.EVERYTHING: "Last time seemed harder than usual. Does that have to do with us here?",
    Movement.SLOW_SLIDE: "Many people have doubts about therapy on the way. Which ones do you have?",
    Movement.DECLINED_FORMS: "Many people have doubts about therapy on the way. Which ones do you have?",
    Movement.LOW_FROM_START: "How is it so far, compared with what you had hoped for?",
}
_MINUS = "\N{MINUS SIGN}"


@dataclass(frozen=True, slots=True)
class EpisodeMessage:
    """What the therapist would have been told after one session."""

    when: str
    row: int
    deepened: bool
    sentences: tuple[str, ...]
    sure: str
    question: str


@dataclass(frozen=True, slots=True)
class PreviewEpisode:
    """One stretch of sessions, its messages, and how it went on."""

    when: str
    therapist: int
    """By the order of the file, from 1."""
    first_row: int
    """Of this client with this therapist."""
    instrument: str
    messages: tuple[EpisodeMessage, ...]
    after: str
    picture: CourseChart


def describe_episodes(courses: Sequence[Course], catalogue: Catalogue, day_of: DayOf) -> list[PreviewEpisode]:
    """Every episode in the order in which they opened."""
    numbers: dict[tuple[str, str], int] = {}
    found = []
    for course in courses:
        number = numbers.setdefault((course.practice, course.therapist), len(numbers) + 1)
        for place, session in enumerate(course.sessions):
            if session.episode_step.step == "opened":
                found.append((day_of(session), _episode(course, place, number, catalogue, day_of)))
    found.sort(key=lambda pair: pair[0])
    return [episode for _, episode in found]


def _episode(
    course: Course, opened: int, therapist: int, catalogue: Catalogue, day_of: DayOf
) -> PreviewEpisode:
    sessions = course.sessions
    index = sessions[opened].episode_step.episode
    of_it = [s for s in sessions if s.episode_step.episode == index]
    start = max(0, min(opened - MOST_POINTS // 2, len(sessions) - MOST_POINTS))
    shown = sessions[start : start + MOST_POINTS]
    instrument = catalogue.get(sessions[opened].form.order.instrument)
    return PreviewEpisode(
        when=f"{day_of(sessions[opened]):%-d %B %Y}",
        therapist=therapist,
        first_row=min(session.row for session in sessions),
        instrument=f"{instrument.title}, marks from {instrument.lowest:g} to {instrument.highest:g}",
        messages=tuple(
            _message(session, of_it, catalogue, day_of) for session in of_it if is_message(session)
        ),
        after=_after(of_it, sessions, day_of),
        picture=draw(shown, instrument, day_of),
    )


def _message(
    session: CourseSession, of_it: Sequence[CourseSession], catalogue: Catalogue, day_of: DayOf
) -> EpisodeMessage:
    found = session.assessment
    instrument = catalogue.get(session.form.order.instrument)
    so_far = [s for s in of_it if s.episode_step.flagged and s.form.order <= session.form.order]
    movement = _QUESTION_OF.get(found.movement) if found.movement else None
    return EpisodeMessage(
        when=f"{day_of(session):%A, %-d %B %Y}",
        row=session.row,
        deepened=session.episode_step.step == "deepened",
        sentences=tuple(_sentences(found, so_far, instrument, day_of)),
        sure=_sure(found),
        question=movement or _QUESTIONS[found.leading or Component.OVERALL],
    )


def _sentences(
    found: Assessment, so_far: Sequence[CourseSession], instrument: Instrument, day_of: DayOf
) -> Iterator[str]:
    yield _MOVED[found.movement] if found.movement else _UNCLEAR
    fell = {
        name: one.score - one.baseline
        for name, one in found.components.items()
        if not isnan(one.score) and not isnan(one.baseline)
    }
    if fell:
        name = found.leading if found.leading in fell else min(fell, key=fell.__getitem__)
        mark, usual = found.components[name].score, found.components[name].baseline
        marked, as_usual = round(to_units(instrument, mark), 1), round(to_units(instrument, usual), 1)
        # Of what is shown, so that a reader who subtracts finds the same.
        by = f"{marked - as_usual:+.1f}".replace("-", _MINUS)
        yield (
            f"{_NAMES[name]} was marked {marked:.1f}; about {as_usual:.1f} is usual for this client ({by})."
        )
    if len(so_far) > 1:
        first, last = day_of(so_far[0]), day_of(so_far[-1])
        yield f"It shows in {len(so_far)} sessions, from {first:%-d %B} to {last:%-d %B}."


def _sure(found: Assessment) -> str:
    # Never ten of ten: the ratings alone cannot make it certain.
    likely = min(9, round(10 * found.risk))
    rests = "one rated session" if found.ratings == 1 else f"{found.ratings} rated sessions"
    if likely == 0:
        return f"Of 10 patterns like this one, hardly any goes with a strain; it rests on {rests}."
    return (
        f"Of 10 patterns like this one, about {likely} go with a strain between client and therapist; "
        f"about {10 - likely} do not. It rests on {rests}."
    )


def _after(of_it: Sequence[CourseSession], sessions: Sequence[CourseSession], day_of: DayOf) -> str:
    last = of_it[-1]
    if last.episode_step.step == "repaired":
        return f"Later, by {day_of(last):%-d %B %Y}, the ratings were back near this client's usual."
    if last is sessions[-1]:
        return "The file ends for this client before it was clear that the ratings are back near usual."
    return "No session was rated for six weeks; the observation ended there."
