"""Finds what would have been told on assessed courses: the counts, the messages, the clients to look for."""

from collections.abc import Sequence
from dataclasses import dataclass

from schemas.instruments.catalogue import Catalogue
from schemas.rating_tables.table import InvalidCell
from services.detector.domain.detector import Detector
from services.detector.preview.counts import DayOf, Figures, count
from services.detector.preview.courses import Course
from services.detector.preview.episodes import ChosenEpisode, PreviewEpisode, choose_three, describe_episodes
from services.detector.preview.shown_message import MessageWriter
from services.detector.preview.watched_clients import WatchedClients, find_watched
from services.detector.preview.weeks_chart import WeeksChart, draw_weeks


@dataclass(frozen=True, slots=True)
class Findings:
    """What the page shows of ratings, wherever they come from."""

    invalid: tuple[InvalidCell, ...]
    sessions: int
    """Sessions in the courses; the other valid rows correct, repeat or withdraw a rating."""
    figures: Figures
    weeks: WeeksChart
    episodes: tuple[PreviewEpisode, ...]
    chosen: tuple[ChosenEpisode, ...]
    """Those of the episodes that are shown whole."""
    watched: WatchedClients
    model_version: str


def find(
    courses: Sequence[Course],
    invalid: Sequence[InvalidCell],
    model: Detector,
    catalogue: Catalogue,
    day_of: DayOf,
) -> Findings:
    """Return the findings; there must be at least one course, and each must have a session that counts."""
    figures = count(courses, day_of)
    writer = MessageWriter(catalogue.get, model.message_precision)
    episodes = describe_episodes(courses, catalogue, writer, day_of)
    return Findings(
        invalid=tuple(sorted(invalid, key=lambda cell: cell.row)),
        sessions=sum(len(course.sessions) for course in courses),
        figures=figures,
        weeks=draw_weeks(figures.weeks),
        episodes=tuple(episodes),
        chosen=tuple(choose_three(episodes)),
        watched=find_watched(courses, catalogue, day_of),
        model_version=model.version,
    )
