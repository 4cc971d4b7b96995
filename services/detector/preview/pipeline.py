"""The flow, named once: a file in, what the page shows out."""

from collections.abc import Callable, Mapping
from datetime import date
from pathlib import Path

from schemas.instruments.catalogue import Catalogue
from services.detector.domain.detector import Detector
from services.detector.preview.charts import draw_weeks
from services.detector.preview.columns import guess_columns
from services.detector.preview.counts import count
from services.detector.preview.courses import CourseSession, assess_courses
from services.detector.preview.episodes import tell
from services.detector.preview.page import Contents
from services.detector.preview.questionnaire import guess_questionnaire
from services.detector.preview.ratings import read
from services.detector.preview.table import Unreadable, read_table


def try_file(
    file: Path,
    model: Detector,
    catalogue: Catalogue,
    *,
    told: Mapping[str, str],
    instrument: str | None = None,
    month_first: bool = False,
    progress: Callable[[int, int], None] = lambda _done, _of: None,
) -> Contents:
    """Take a file through all stages: table → columns → questionnaire → rows → judge → count → tell.

    `progress` hears how many clients are done, and of how many.

    Raises:
        Unreadable: what the columns hold cannot be known, or no row is a rating.
    """
    table = read_table(file)
    columns = guess_columns(table, told)
    asked = guess_questionnaire(table, columns, catalogue, instrument)
    rows = read(table, columns, asked, month_first=month_first)
    courses, refused = assess_courses(rows.rows, model, catalogue, progress)
    bad = tuple(sorted([*rows.bad, *refused], key=lambda one: one.row))
    if not courses:
        first = (
            f" Row {bad[0].row}, column {bad[0].column}: {bad[0].message}; expected {bad[0].expected}."
            if bad
            else ""
        )
        raise Unreadable(f"No row is a rating.{first}")

    def day_of(session: CourseSession) -> date:
        return rows.moments[session.row].date()

    figures = count(courses, day_of)
    return Contents(
        table=table,
        columns=columns,
        asked=asked,
        rows=rows,
        bad=bad,
        sessions=sum(len(course.sessions) for course in courses),
        figures=figures,
        weeks=draw_weeks(figures.weeks),
        episodes=tuple(tell(courses, catalogue, day_of)),
        model_version=model.version,
    )
