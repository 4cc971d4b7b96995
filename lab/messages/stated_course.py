"""Holds facts beside the sessions that they speak of, for predicates that check them."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime

from schemas.components import Component
from schemas.facts import ComponentFact, Facts, Standing

VISIBLE = 0.025
"""Share of the scale that a difference has at least."""
TINY = 1e-5
"""Published marks have 6 decimals."""


@dataclass(frozen=True, slots=True)
class RatedSession:
    """One session with its marks in instrument units; no marks where no form was given."""

    session_at: datetime
    marks: Mapping[Component, float]


class StatedCourse:
    """What is stated of the last of a dyad's sessions, and the sessions; all in instrument units."""

    def __init__(self, facts: Facts, sessions: Sequence[RatedSession], scale: tuple[float, float]) -> None:
        self.facts = facts
        self.sessions = sessions
        self.given = [session for session in sessions if session.marks]
        self.lowest = scale[0]
        self.width = scale[1] - scale[0]
        self.fell = [part for part in facts.components if part.standing is Standing.FELL]

    def marks(self, part: Component, before: datetime | None = None) -> list[float]:
        """Return a component's marks in order, only those before a session where one is given."""
        return [
            session.marks[part]
            for session in self.given
            if part in session.marks and (before is None or session.session_at < before)
        ]


def is_under(part: ComponentFact) -> bool:
    """Return whether a mark lies under the client's own usual range."""
    return part.mark is not None and part.usual_low is not None and part.mark < part.usual_low - TINY


def depth(part: ComponentFact) -> float:
    """Return how far a mark lies under the usual level; 0 where one of them is not known."""
    return part.usual - part.mark if part.usual is not None and part.mark is not None else 0.0
