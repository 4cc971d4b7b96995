"""Describes the episodes in a table as their therapists would read them, and chooses three to show whole."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date
from math import inf

from schemas.facts import Shape
from schemas.instruments.catalogue import Catalogue
from services.detector.domain.episodes import REPAIRED_SESSIONS
from services.detector.preview.counts import DayOf
from services.detector.preview.courses import Course
from services.detector.preview.shown_message import FoldedSession, MessageWriter, ShownMessage

_NAMED_SHAPES = frozenset({Shape.STEP, Shape.SLIDE})
_SOON = REPAIRED_SESSIONS + 1
"""An episode came to nothing when it was repaired within this many sessions."""


@dataclass(frozen=True, slots=True)
class EpisodeMessage:
    """The message that the therapist would have received after one session."""

    when: str
    row: int
    deepened: bool
    shown: ShownMessage


@dataclass(frozen=True, slots=True)
class PreviewEpisode:
    """An episode with its messages, and what happened afterwards."""

    when: str
    therapist: int
    """Number of the therapist in the order of the file, from 1."""
    first_row: int
    """First row of this client with this therapist."""
    messages: tuple[EpisodeMessage, ...]
    after: str
    shape: Shape
    """How the marks came down at the first message."""
    fall: float
    """How far the deepest component is below its usual level at the first message, 0 to 1."""
    risk: float
    """At the first message."""
    repaired_after: int | None
    """Number of sessions from the first message to the repair; None when it was not repaired."""


@dataclass(frozen=True, slots=True)
class ChosenEpisode:
    """An episode that is shown whole, and why."""

    why: str
    episode: PreviewEpisode


def describe_episodes(
    courses: Sequence[Course], catalogue: Catalogue, writer: MessageWriter, day_of: DayOf
) -> list[PreviewEpisode]:
    """Return every episode, in the order in which they opened."""
    numbers: dict[tuple[str, str], int] = {}
    found: list[tuple[date, PreviewEpisode]] = []
    for course in courses:
        number = numbers.setdefault((course.practice, course.therapist), len(numbers) + 1)
        for place, session in enumerate(course.sessions):
            if session.counted and session.episode_step.step == "opened":
                name = f"picture-{len(found) + 1}"
                episode = _Opened(course, place, number, catalogue, writer, day_of).describe(name)
                found.append((day_of(session), episode))
    found.sort(key=lambda pair: pair[0])
    return [episode for _, episode in found]


def choose_three(episodes: Sequence[PreviewEpisode]) -> list[ChosenEpisode]:
    """Return the clearest episode, the most doubtful one, and one that came to nothing; fewer of few."""
    left = list(episodes)
    chosen: list[ChosenEpisode] = []

    def take(why: str, found: PreviewEpisode | None) -> None:
        if found is not None:
            left.remove(found)
            chosen.append(ChosenEpisode(why, found))

    take("The clearest", max(left, key=lambda one: (one.shape in _NAMED_SHAPES, one.fall), default=None))
    soon = [one for one in left if one.repaired_after is not None and one.repaired_after <= _SOON]
    nothing = min(soon, key=lambda one: (one.repaired_after or inf, one.fall), default=None)
    others = [one for one in left if one is not nothing]
    take("A doubtful one", min(others, key=lambda one: one.risk, default=None))
    take("One that came to nothing", nothing)
    return chosen


@dataclass(frozen=True, slots=True)
class _Opened:
    """An episode that opened at one session of a course."""

    course: Course
    place: int
    therapist: int
    catalogue: Catalogue
    writer: MessageWriter
    day_of: DayOf

    def describe(self, name: str) -> PreviewEpisode:
        sessions = self.course.sessions
        index = sessions[self.place].episode_step.episode
        places = [at for at, one in enumerate(sessions) if one.episode_step.episode == index]
        folded = [FoldedSession(one.form, one.episode_step) for one in sessions]
        told = [at for at in places if sessions[at].told]
        messages = tuple(
            EpisodeMessage(
                when=f"{self.day_of(sessions[at]):%A, %-d %B %Y}",
                row=sessions[at].row,
                deepened=sessions[at].episode_step.step == "deepened",
                shown=self.writer.write(folded, at, f"{name}-{at}", shown=places[-1] + 1),
            )
            for at in told
        )
        closed = places[-1]
        is_repaired = sessions[closed].episode_step.step == "repaired"
        return PreviewEpisode(
            when=f"{self.day_of(sessions[self.place]):%-d %B %Y}",
            therapist=self.therapist,
            first_row=min(session.row for session in sessions),
            messages=messages,
            after=self._after(folded, closed),
            shape=messages[0].shown.facts.shape,
            fall=self._fall(messages[0].shown),
            risk=sessions[self.place].assessment.risk,
            repaired_after=closed - self.place if is_repaired else None,
        )

    def _fall(self, shown: ShownMessage) -> float:
        instrument = self.catalogue.get(self.course.sessions[self.place].form.order.instrument)
        falls = [
            one.usual - one.mark
            for one in shown.facts.components
            if one.usual is not None and one.mark is not None
        ]
        return max(falls, default=0.0) / (instrument.highest - instrument.lowest)

    def _after(self, folded: Sequence[FoldedSession], closed: int) -> str:
        if folded[closed].step.step in {"repaired", "settled"}:
            return self.writer.closing(folded, self.place, closed)
        if closed == len(folded) - 1:
            return "The table ends for this client before it is clear whether the marks are back near usual."
        return "No session was rated for six weeks, so the episode was closed."
