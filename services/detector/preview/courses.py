"""Ratings in, what the detector decided of each session out: the stages of `rapport score`, nothing else."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np

from schemas.instruments.catalogue import Catalogue
from schemas.ratings_csv import Row
from services.detector.domain.assessment import Assessment
from services.detector.domain.baseline_rules import totals, vendor
from services.detector.domain.detector import Detector
from services.detector.domain.episodes import Seen
from services.detector.domain.form import Form, matrix
from services.detector.files.file_scorer import BadRow, Client, Group, Shop, add, client_of
from services.detector.preview.ratings import BadCell
from services.detector.stream.batch import DyadWork, Session

_AT_ONCE = 200
"""Clients that are scored together."""


@dataclass(frozen=True, slots=True)
class Judged:
    """One session: what the model found, what was decided, and what today's rule says of it."""

    row: int
    form: Form
    found: Assessment
    seen: Seen
    by_rule: bool
    """The vendor rule flags it."""
    by_fall: bool
    """It would also without a cutoff, for the fall since the session before."""


@dataclass(frozen=True, slots=True)
class Course:
    """One client with one therapist, the sessions in their order."""

    practice: str
    therapist: str
    sessions: tuple[Judged, ...]


def judge(
    rows: Sequence[Row], model: Detector, catalogue: Catalogue, progress: Callable[[int, int], None]
) -> tuple[list[Course], list[BadCell]]:
    """The courses in the order of their first rows, and the rows that the stream would reject."""
    groups: dict[Client, Group] = {}
    for row in rows:
        add(groups.setdefault(client_of(row), Group()), row)
    shop = Shop(model, catalogue, {})
    bad: list[BadCell] = []

    def refused(row: int, why: BadRow) -> None:
        bad.append(
            BadCell(row, "the row", str(why).partition(": ")[2], "a rating that `rapport score` takes")
        )

    courses: list[Course] = []
    waiting = list(groups.values())
    for start in range(0, len(waiting), _AT_ONCE):
        some = waiting[start : start + _AT_ONCE]
        courses += [_course(one, catalogue) for one in shop.judge(some, _ignore, refused)]
        progress(start + len(some), len(waiting))
    courses.sort(key=lambda course: min(session.row for session in course.sessions))
    return courses, bad


def _ignore(_row: int) -> None:
    """Corrected, doubled and withdrawn rows are no session of their own."""


def _course(dyad: DyadWork, catalogue: Catalogue) -> Course:
    forms = [session.form for session in dyad.sessions if session.form is not None]
    instrument = catalogue.get(forms[-1].place.instrument)
    cutoff = None if instrument.cutoff is None else instrument.cutoff / instrument.highest_total
    total = totals(matrix(forms)[np.newaxis])
    flags, falls = ((rule.score(total)[0] >= rule.cut).tolist() for rule in (vendor(cutoff), vendor(None)))
    sessions = tuple(map(_judged, dyad.sessions, flags, falls))
    return Course(dyad.who.practice_id, dyad.who.therapist_id, sessions)


def _judged(session: Session, by_rule: bool, by_fall: bool) -> Judged:  # noqa: FBT001 - facts of a session
    form, found, seen = session.form, session.found, session.seen
    if form is None or found is None or seen is None:
        raise AssertionError("a session of a file is always assessed")
    return Judged(session.version.log[2], form, found, seen, by_rule, by_fall)
