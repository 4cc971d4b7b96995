"""Names the stages of `rapport try` in order, from the file to the contents of the page."""

from collections.abc import Callable, Mapping
from datetime import date
from pathlib import Path

from schemas.instruments.catalogue import Catalogue
from services.detector.domain.detector import Detector
from services.detector.preview.columns import guess_columns
from services.detector.preview.counts import count
from services.detector.preview.courses import CourseSession, assess_courses
from services.detector.preview.episodes import choose_three, describe_episodes
from services.detector.preview.page import PreviewContents
from services.detector.preview.questionnaire import guess_questionnaire
from services.detector.preview.ratings import parse_ratings
from services.detector.preview.shown_message import MessageWriter
from services.detector.preview.table import UnusableTable, read_table
from services.detector.preview.watched_clients import find_watched
from services.detector.preview.weeks_chart import draw_weeks


def try_file(
    file: Path,
    model: Detector,
    catalogue: Catalogue,
    *,
    given: Mapping[str, str],
    instrument: str | None = None,
    month_first: bool = False,
    progress: Callable[[int, int], None] = lambda _done, _of: None,
) -> PreviewContents:
    """Take a file through all stages: table, columns, questionnaire, ratings, courses, counts, episodes.

    `given` maps fields to columns. `progress` gets the number of courses done and the number of all courses.

    Raises:
        UnusableTable: columns or questionnaire cannot be guessed, or no row is a valid rating.
    """
    table = read_table(file)
    columns = guess_columns(table, given)
    questionnaire = guess_questionnaire(table, columns, catalogue, instrument)
    ratings = parse_ratings(table, columns, questionnaire, month_first=month_first)
    courses, rejected = assess_courses(ratings.rows, model, catalogue, progress)
    invalid = tuple(sorted([*ratings.invalid, *rejected], key=lambda cell: cell.row))
    if not courses:
        first = ""
        if invalid:
            cell = invalid[0]
            first = f" Row {cell.row}, column {cell.column}: {cell.message}; expected {cell.expected}."
        raise UnusableTable(f"No row is a valid rating.{first}")

    def day_of(session: CourseSession) -> date:
        return ratings.moments[session.row].date()

    figures = count(courses, day_of)
    writer = MessageWriter(catalogue.get, model.message_precision)
    episodes = describe_episodes(courses, catalogue, writer, day_of)
    return PreviewContents(
        table=table,
        columns=columns,
        questionnaire=questionnaire,
        ratings=ratings,
        invalid=invalid,
        sessions=sum(len(course.sessions) for course in courses),
        figures=figures,
        weeks=draw_weeks(figures.weeks),
        episodes=tuple(episodes),
        chosen=tuple(choose_three(episodes)),
        watched=find_watched(courses, catalogue, day_of),
        model_version=model.version,
    )
