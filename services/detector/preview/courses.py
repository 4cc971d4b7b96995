"""Assesses the ratings of a table by the stages of `rapport score`, client by client."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime
from math import isnan

import numpy as np

from schemas.instruments.catalogue import Catalogue
from schemas.rating_tables.table import InvalidCell
from schemas.ratings_csv import RatingRow
from services.detector.domain.assessment import Assessment
from services.detector.domain.baseline_rules import totals, vendor
from services.detector.domain.detector import Detector
from services.detector.domain.dyad_work import DyadWork, SessionWork
from services.detector.domain.episodes import EpisodeStep
from services.detector.domain.form import Form, form_matrix
from services.detector.files.file_scorer import FileScorer
from services.detector.files.file_statistics import statistics_of
from services.detector.files.ratings_table import (
    ClientKey,
    ClientRows,
    InvalidRow,
    client_of,
    current_sessions,
    row_number,
)

MESSAGES = frozenset({"opened", "deepened"})
"""Steps of an episode after which its therapist gets a message."""
_BATCH_COURSES = 200
"""Courses that are scored together."""


@dataclass(frozen=True, slots=True)
class CourseSession:
    """One session: its form, the model's assessment, its place in an episode, and today's rule."""

    row: int
    form: Form
    assessment: Assessment
    episode_step: EpisodeStep
    by_rule: bool
    """Today's rule flags it."""
    by_fall: bool
    """Today's rule flags it for the drop since the session before, whatever the cutoff."""
    counted: bool
    """It lies in the time that is looked at; an earlier session is only part of the client's history."""
    told: bool
    """The therapist would have got a message after it, about an episode that opened in that time."""


@dataclass(frozen=True, slots=True)
class Course:
    """One client with one therapist, and their sessions in order."""

    practice: str
    therapist: str
    sessions: tuple[CourseSession, ...]


def assess_courses(
    rows: Sequence[RatingRow],
    model: Detector,
    catalogue: Catalogue,
    progress: Callable[[int, int], None],
    since: datetime | None = None,
) -> tuple[list[Course], list[InvalidCell]]:
    """Return the courses in the order of their first rows, and the rows that the stream would reject.

    Args:
        rows: of all clients.
        model: the model that assesses them.
        catalogue: the known instruments.
        progress: gets the number of courses done and the number of all courses.
        since: only sessions after this count, and only courses with such a session are returned; None: all.
    """
    by_client: dict[ClientKey, ClientRows] = {}
    for row in rows:
        by_client.setdefault(client_of(row), ClientRows()).add(row)
    invalid: list[InvalidCell] = []

    def reject(row: InvalidRow) -> None:
        invalid.append(
            InvalidCell(row.number, "the row", row.reason, "a rating that `rapport score` accepts")
        )

    dyads = list(current_sessions(by_client.values(), catalogue, reject))
    scorer = FileScorer(model, {}, statistics_of(dyads) if model.uses_statistics else {})
    courses: list[Course] = []
    for start in range(0, len(dyads), _BATCH_COURSES):
        batch = dyads[start : start + _BATCH_COURSES]
        scorer.assess(batch)
        courses += [_course(dyad, catalogue, since) for dyad in batch]
        progress(start + len(batch), len(dyads))
    courses = [course for course in courses if any(session.counted for session in course.sessions)]
    courses.sort(key=lambda course: min(session.row for session in course.sessions))
    return courses, invalid


def _course(dyad: DyadWork, catalogue: Catalogue, since: datetime | None) -> Course:
    forms = [session.form for session in dyad.sessions if session.form is not None]
    instrument = catalogue.get(forms[-1].order.instrument)
    cutoff = None if instrument.cutoff is None else instrument.cutoff / instrument.highest_total
    total = totals(form_matrix(forms)[np.newaxis])
    flags, falls = ((rule.score(total)[0] >= rule.cut).tolist() for rule in (vendor(cutoff), vendor(None)))
    sessions: list[CourseSession] = []
    opened: set[int | None] = set()
    for session, by_rule, by_fall in zip(dyad.sessions, flags, falls, strict=True):
        form, assessment, step = _assessed(session)
        counted = since is None or form.order.session_at > since
        if counted and step.step == "opened":
            opened.add(step.episode)
        told = counted and step.step in MESSAGES and step.episode in opened
        sessions.append(
            CourseSession(row_number(session), form, assessment, step, by_rule, by_fall, counted, told)
        )
    return Course(dyad.who.practice_id, dyad.who.therapist_id, tuple(sessions))


def _assessed(session: SessionWork) -> tuple[Form, Assessment, EpisodeStep]:
    if session.form is None or session.assessment is None or session.episode_step is None:
        raise AssertionError("a session of a file is always assessed")
    return session.form, session.assessment, session.episode_step


def mean_of(session: CourseSession) -> float | None:
    """Return the mean of all marks, 0 to 1; None without a form."""
    form = session.form
    marks = [mark for mark in (form.bond, form.goal, form.task, form.overall) if not isnan(mark)]
    return sum(marks) / len(marks) if marks else None
