"""Names the stages of `rapport try` and `rapport observed`, from ratings to the contents of the page."""

from collections.abc import Callable, Sequence
from dataclasses import fields, replace
from datetime import date, datetime
from pathlib import Path
from typing import Any

from schemas.instruments.catalogue import Catalogue
from schemas.rating_tables.reading import read_ratings_table
from schemas.rating_tables.reading_options import GUESS_ALL, ReadingOptions
from schemas.rating_tables.table_errors import UnusableTable
from services.detector.domain.detector import Detector
from services.detector.preview.courses import CourseSession, assess_courses
from services.detector.preview.findings import Findings, find
from services.detector.preview.observed import ObservedContents, ObservedTime, rating_row
from services.detector.preview.page import PreviewContents
from services.detector.received import Rated

Progress = Callable[[int, int], None]
"""Gets the number of courses done and the number of all courses."""


class NothingObserved(ValueError):
    """No session lies in the time that is asked for."""


def try_file(
    file: Path,
    model: Detector,
    catalogue: Catalogue,
    options: ReadingOptions = GUESS_ALL,
    *,
    since: datetime | None = None,
    progress: Progress = lambda _done, _of: None,
) -> PreviewContents:
    """Take a file through all stages: reading, courses, counts, episodes.

    Only sessions after `since` count; earlier ones are history.

    Raises:
        UnusableTable: the file cannot be understood, or no row that counts is a valid rating.
    """
    reading = read_ratings_table(file, catalogue, replace(options, replace_references=True))
    ratings = reading.ratings
    courses, rejected = assess_courses(ratings.rows, model, catalogue, progress, since)
    invalid = [*ratings.invalid, *(replace(cell, row=ratings.file_row(cell.row)) for cell in rejected)]
    if not courses:
        if ratings.rows and not ratings.of_alliance:
            raise UnusableTable(
                f"All ratings are of {', '.join(ratings.stored)}, which is stored and never scored: there is"
                " nothing to show. `rapport send` takes the file."
            )
        if ratings.rows and since is not None and not invalid:
            raise UnusableTable(
                f"No session is after --since ({since:%Y-%m-%d %H:%M} UTC): choose an earlier time."
            )
        first = ""
        if invalid:
            cell = min(invalid, key=lambda one: one.row)
            first = f" Row {cell.row}, column {cell.column}: {cell.message}; expected {cell.expected}."
        raise UnusableTable(f"No row is a valid rating.{first}")

    def day_of(session: CourseSession) -> date:
        return ratings.moments[session.row].date()

    return PreviewContents(
        **_values(find(courses, invalid, model, catalogue, day_of)),
        reading=reading,
    )


def observe(
    ratings: Sequence[Rated],
    time: ObservedTime,
    model: Detector,
    catalogue: Catalogue,
    progress: Progress = lambda _done, _of: None,
) -> ObservedContents:
    """Take the ratings that a practice sent, in the order of their acceptance, through the same stages.

    Raises:
        NothingObserved: no session lies in that time.
    """
    kept = [rating for rating in ratings if rating.session_at <= time.until]
    by_row = dict(enumerate(kept, start=1))
    rows = [rating_row(rating, number) for number, rating in by_row.items()]
    courses, rejected = assess_courses(rows, model, catalogue, progress, time.since)
    if not courses:
        raise NothingObserved(
            f"The practice {time.practice} has sent no session between {time.since:%-d %B %Y, %H:%M} and"
            f" {time.until:%-d %B %Y, %H:%M} (UTC). Choose an earlier start with --since."
        )
    findings = find(courses, rejected, model, catalogue, lambda session: session.form.order.session_at.date())
    return ObservedContents(**_values(findings), time=time, by_row=by_row)


def _values(findings: Findings) -> dict[str, Any]:
    return {field.name: getattr(findings, field.name) for field in fields(findings)}
