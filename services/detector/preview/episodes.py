"""Describes the episodes in a table in the sentences that therapists read on their pages."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from math import isnan

from schemas.instruments.catalogue import Catalogue
from schemas.instruments.instrument import Instrument
from schemas.instruments.scoring import to_units
from schemas.wording.sentences import MINUS, basis, certainty, shared_sentences, topic
from services.detector.preview.charts import MOST_POINTS, CourseChart, draw
from services.detector.preview.counts import DayOf, is_message
from services.detector.preview.courses import Course, CourseSession

_SENTENCES = shared_sentences("en")


@dataclass(frozen=True, slots=True)
class EpisodeMessage:
    """The message that the therapist would have received after one session."""

    when: str
    row: int
    deepened: bool
    sentences: tuple[str, ...]
    sure: str
    question: str


@dataclass(frozen=True, slots=True)
class PreviewEpisode:
    """An episode with its messages, and what happened afterwards."""

    when: str
    therapist: int
    """Number of the therapist in the order of the file, from 1."""
    first_row: int
    """First row of this client with this therapist."""
    instrument: str
    messages: tuple[EpisodeMessage, ...]
    after: str
    picture: CourseChart


def describe_episodes(courses: Sequence[Course], catalogue: Catalogue, day_of: DayOf) -> list[PreviewEpisode]:
    """Return every episode, in the order in which they opened."""
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
    return EpisodeMessage(
        when=f"{day_of(session):%A, %-d %B %Y}",
        row=session.row,
        deepened=session.episode_step.step == "deepened",
        sentences=tuple(_sentences(session, so_far, instrument, day_of)),
        sure=f"{certainty(_SENTENCES, found.risk)} {basis(_SENTENCES, found.ratings)}",
        question=_SENTENCES[f"question.{topic(found.movement, found.leading)}"],
    )


def _sentences(
    session: CourseSession, flagged: Sequence[CourseSession], instrument: Instrument, day_of: DayOf
) -> Iterator[str]:
    assessment = session.assessment
    movement = assessment.movement.value if assessment.movement else "none"
    yield _SENTENCES[f"movement.{movement}"].format(session=f"{day_of(session):%-d %B}")
    changes = {
        component: values.score - values.baseline
        for component, values in assessment.components.items()
        if not isnan(values.score) and not isnan(values.baseline)
    }
    if changes:
        leading = assessment.leading
        component = leading if leading in changes else min(changes, key=changes.__getitem__)
        values = assessment.components[component]
        score, usual = (round(to_units(instrument, x), 1) for x in (values.score, values.baseline))
        yield _SENTENCES["movement.change"].format(
            component=_SENTENCES[f"component.long.{component.value}"],
            score=f"{score:.1f}",
            usual=f"{usual:.1f}",
            # The difference of the two rounded numbers, so that a reader who subtracts gets the same.
            change=f"{score - usual:+.1f}".replace("-", MINUS),
        )
    if len(flagged) > 1:
        first, last = (f"{day_of(flagged[index]):%-d %B}" for index in (0, -1))
        yield _SENTENCES["movement.sessions"].format(sessions=len(flagged), first=first, last=last)


def _after(of_it: Sequence[CourseSession], sessions: Sequence[CourseSession], day_of: DayOf) -> str:
    last = of_it[-1]
    if last.episode_step.step == "repaired":
        return f"By {day_of(last):%-d %B %Y} the ratings were back near what is usual for this client."
    if last is sessions[-1]:
        return "The table ends for this client before it is clear whether the ratings are back to usual."
    return "No session was rated for six weeks, so the episode was closed."
