"""Lists a simulated network's ratings in the order they are sent, with the errors that occur in practice."""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta
from uuid import UUID

import numpy as np

from lab.simulator.practice_network import ClientCourse, SimulatedSession

LATE_SHARE = 0.03
REPEATED_SHARE = 0.02
CORRECTED_SHARE = 0.015
WITHDRAWN_SHARE = 0.008
WITHOUT_ID_SHARE = 0.1
_VALID_PER_INVALID = 300
_MIN_INVALID = 6
"""At least one invalid rating of each kind."""

Body = dict[str, object]


@dataclass(frozen=True, slots=True)
class Submission:
    """One rating as it is sent, whether ingest should accept it, and what it is an example of."""

    at: datetime
    practice: str
    rating: Body
    accepted: bool
    why: str

    def line(self) -> dict[str, object]:
        """Return the object that one line of the NDJSON file holds."""
        return {
            "practice": self.practice,
            "rating": self.rating,
            "expect": "accepted" if self.accepted else "refused",
            "why": self.why,
        }


def _body(
    course: ClientCourse, session: SimulatedSession, recorded_at: datetime, rating_id: str | None
) -> Body:
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


def _corrected(session: SimulatedSession) -> list[float | None]:
    """Return the marks with the first mark exchanged for the next that differs: a plausible slip."""
    marks = list(session.items or ())
    for place in range(1, len(marks)):
        if marks[place] != marks[0] and marks[place] is not None and marks[0] is not None:
            marks[0], marks[place] = marks[place], marks[0]
            return marks
    return marks


def _submissions(
    rng: np.random.Generator, course: ClientCourse, session: SimulatedSession, end: datetime
) -> Iterator[Submission]:
    chance = rng.random(4)
    wait = timedelta(hours=1, minutes=int(rng.integers(60)))
    late = bool(chance[0] < LATE_SHARE)
    if late:
        wait += timedelta(days=int(rng.integers(3, 21)))
    first = min(session.at + wait, end)
    rating_id = None if rng.random() < WITHOUT_ID_SHARE else _rating_id(rng)
    body = _body(course, session, first, rating_id)
    why = "declined" if session.items is None else ("late" if late else "in time")
    yield Submission(first, course.practice, body, accepted=True, why=why)
    if chance[1] < REPEATED_SHARE:
        again = min(first + timedelta(minutes=int(rng.integers(1, 3000))), end)
        yield Submission(again, course.practice, body, accepted=True, why="sent twice")
    later = min(first + timedelta(hours=int(rng.integers(2, 72))), end)
    if later <= first:
        return
    if (
        chance[2] < CORRECTED_SHARE
        and session.items is not None
        and _corrected(session) != list(session.items)
    ):
        changed = _body(course, session, later, _rating_id(rng)) | {"items": _corrected(session)}
        yield Submission(later, course.practice, changed, accepted=True, why="corrected")
    # Sessions in a rupture are never withdrawn, so that every planted rupture can be found in the ratings.
    elif chance[3] < WITHDRAWN_SHARE and not session.rupture:
        back = _body(course, session, later, _rating_id(rng)) | {"status": "withdrawn"}
        back.pop("items", None)
        yield Submission(later, course.practice, back, accepted=True, why="withdrawn")


def _made_invalid(body: Body, kind: int) -> tuple[Body, str]:
    """Return the body made invalid in one of six ways, and the name of the way."""
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


def submissions_in_order(
    rng: np.random.Generator, courses: list[ClientCourse], end: datetime
) -> list[Submission]:
    """Return all ratings of a network in the order they are sent, none later than `end`."""
    submissions = [
        submission
        for course in courses
        for session in course.sessions
        for submission in _submissions(rng, course, session, end)
    ]
    with_items = [one for one in submissions if "items" in one.rating]
    invalid = max(_MIN_INVALID, len(submissions) // _VALID_PER_INVALID) if with_items else 0
    for kind in range(invalid):
        original = with_items[int(rng.integers(len(with_items)))]
        body, why = _made_invalid(original.rating | {"id": _rating_id(rng)}, kind)
        submissions.append(Submission(original.at, original.practice, body, accepted=False, why=why))
    # The sort is stable: at equal moments a rating comes before its own correction.
    return sorted(submissions, key=lambda submission: submission.at)
