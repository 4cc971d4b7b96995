"""A simulated network in, its ratings in sending order out, with all that goes wrong in practice."""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta
from uuid import UUID

import numpy as np

from lab.simulator.practice_network import ClientCourse, Session

LATE = 0.03
DOUBLED = 0.02
CORRECTED = 0.015
WITHDRAWN = 0.008
WITHOUT_ID = 0.1
_INVALID_EVERY = 300
"""One invalid rating for about so many valid ones."""

Body = dict[str, object]


@dataclass(frozen=True, slots=True)
class Sending:
    """One rating as it is sent, whether ingest should accept it, and why it is there."""

    at: datetime
    practice: str
    rating: Body
    accepted: bool
    why: str

    def line(self) -> dict[str, object]:
        """As a line of the NDJSON file."""
        return {
            "practice": self.practice,
            "rating": self.rating,
            "expect": "accepted" if self.accepted else "refused",
            "why": self.why,
        }


def _body(course: ClientCourse, session: Session, recorded_at: datetime, rating_id: str | None) -> Body:
    body: Body = {} if rating_id is None else {"id": rating_id}
    body |= {
        "client_id": course.client_id,
        "therapist_id": course.therapist_id,
        "session_id": session.id,
        "session_at": session.at.isoformat(),
        "instrument": course.instrument,
        "status": "declined" if session.items is None else "rated",
        "recorded_at": recorded_at.isoformat(),
    }
    if session.items is not None:
        body["items"] = list(session.items)
    if session.next_at is not None:
        body["next_session_at"] = session.next_at.isoformat()
    return body


def _rating_id(rng: np.random.Generator) -> str:
    return str(UUID(bytes=rng.bytes(16), version=4))


def _corrected(session: Session) -> list[float | None]:
    """The session's marks with the first two that differ exchanged: a plausible slip of the pen."""
    marks = list(session.items or ())
    for place in range(1, len(marks)):
        if marks[place] != marks[0] and marks[place] is not None and marks[0] is not None:
            marks[0], marks[place] = marks[place], marks[0]
            return marks
    return marks


def _sendings(
    rng: np.random.Generator, course: ClientCourse, session: Session, end: datetime
) -> Iterator[Sending]:
    chance = rng.random(4)
    wait = timedelta(hours=1, minutes=int(rng.integers(60)))
    late = bool(chance[0] < LATE)
    if late:
        wait += timedelta(days=int(rng.integers(3, 21)))
    first = min(session.at + wait, end)
    rating_id = None if rng.random() < WITHOUT_ID else _rating_id(rng)
    body = _body(course, session, first, rating_id)
    why = "declined" if session.items is None else ("late" if late else "in time")
    yield Sending(first, course.practice, body, accepted=True, why=why)
    if chance[1] < DOUBLED:
        again = min(first + timedelta(minutes=int(rng.integers(1, 3000))), end)
        yield Sending(again, course.practice, body, accepted=True, why="sent twice")
    later = min(first + timedelta(hours=int(rng.integers(2, 72))), end)
    if later <= first:
        return
    if chance[2] < CORRECTED and session.items is not None and _corrected(session) != list(session.items):
        changed = _body(course, session, later, _rating_id(rng)) | {"items": _corrected(session)}
        yield Sending(later, course.practice, changed, accepted=True, why="corrected")
    # Sessions in a rupture stay, so that the truth can be told against what was sent.
    elif chance[3] < WITHDRAWN and not session.rupture:
        back = _body(course, session, later, _rating_id(rng)) | {"status": "withdrawn"}
        back.pop("items", None)
        yield Sending(later, course.practice, back, accepted=True, why="withdrawn")


def _spoilt(body: Body, kind: int) -> tuple[Body, str]:
    """A valid body made invalid in one of six ways."""
    items = body.get("items")
    marks = list(items) if isinstance(items, list) else [1, 2, 3]
    ways: tuple[tuple[Body, str], ...] = (
        ({"items": [999, *marks[1:]]}, "item out of range"),
        ({"instrument": "no-such-instrument"}, "unknown instrument"),
        ({"session_at": str(body["session_at"])[:19]}, "time without a zone"),
        ({"client_id": "someone@example.org"}, "an address instead of a reference"),
        ({"items": [*marks, 1]}, "one item too many"),
        ({"session_at": "1980-01-01T10:00:00+00:00"}, "date before 2000"),
    )
    change, why = ways[kind % len(ways)]
    return body | change, why


def in_sending_order(rng: np.random.Generator, courses: list[ClientCourse], end: datetime) -> list[Sending]:
    """All ratings of a network in the order they are sent, none later than `end`."""
    sent = [
        sending
        for course in courses
        for session in course.sessions
        for sending in _sendings(rng, course, session, end)
    ]
    rated = [s for s in sent if "items" in s.rating]
    invalid = max(6, len(sent) // _INVALID_EVERY) if rated else 0
    for kind in range(invalid):
        model = rated[int(rng.integers(len(rated)))]
        body, why = _spoilt(model.rating | {"id": _rating_id(rng)}, kind)
        sent.append(Sending(model.at, model.practice, body, accepted=False, why=why))
    # Equal moments keep the order in which they were made: a rating before its own correction.
    return sorted(sent, key=lambda s: s.at)
