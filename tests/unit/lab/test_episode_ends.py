"""Over simulated practices: repaired means near the usual level at the opening, settled means lower."""

import os
from collections.abc import Iterator
from math import isnan
from pathlib import Path
from typing import NamedTuple

import numpy as np
import pytest

from lab.practice_histories import read_histories
from lab.product_path import AssessedDyad, assess_cohort, assess_histories
from lab.simulator.cohort import simulate
from lab.simulator.two_state_cohort import simulate_two_state
from lab.statistics_of_others import statistics_of_others
from schemas.events import OpenedBy
from schemas.instruments.catalogue import Catalogue
from services.detector.domain.assessment import Assessment
from services.detector.domain.episodes import NO_SESSIONS, Episode, EpisodeEnd, fold_episodes
from services.detector.domain.session_risk import session_risk
from services.detector.model.trained_detector import TrainedDetector

CLIENTS = 60
PRACTICES = 10
REAL_RATINGS = "RAPPORT_REAL_RATINGS"
"""Names a table of real ratings, as `rapport score` reads it."""
MOST_MESSAGES = 3.0
"""Per 100 rated sessions."""


class ClosedEpisode(NamedTuple):
    """An episode with what the model said of the sessions at which it opened and closed."""

    episode: Episode
    at_opening: Assessment
    at_close: Assessment

    @property
    def fall(self) -> float:
        """How far the component that led at the opening is below its usual level then, at the close."""
        if self.at_opening.leading is None:
            raise AssertionError("an opening has a leading component")
        before = self.at_opening.components[self.at_opening.leading]
        return before.baseline - self.at_close.components[self.at_opening.leading].score


def closed_episodes(detector: TrainedDetector, dyads: list[AssessedDyad]) -> Iterator[ClosedEpisode]:
    for dyad in dyads:
        by_order = dict(zip((form.order for form in dyad.forms), dyad.assessments, strict=True))
        sessions = [session_risk(order, each, detector.threshold) for order, each in by_order.items()]
        for episode in fold_episodes(NO_SESSIONS, sessions)[0].episodes:
            if episode.closed is not None:
                yield ClosedEpisode(episode, by_order[episode.opened], by_order[episode.closed])


@pytest.fixture(scope="module")
def closed(detector: TrainedDetector) -> list[ClosedEpisode]:
    dyads: list[AssessedDyad] = []
    for number, seed in enumerate(np.random.SeedSequence(31).spawn(PRACTICES)):
        family = (simulate, simulate_two_state)[number % 2]
        dyads += assess_cohort(detector, family(np.random.default_rng(seed), CLIENTS)).dyads
    return list(closed_episodes(detector, dyads))


def test_no_repaired_episode_is_a_tenth_of_the_scale_under_the_usual_level_at_its_opening(
    closed: list[ClosedEpisode],
) -> None:
    falls = [
        each.fall
        for each in closed
        if each.episode.end is EpisodeEnd.REPAIRED and each.episode.opened_by is OpenedBy.RISK
    ]
    known = [fall for fall in falls if not isnan(fall)]
    assert len(known) > 30
    assert max(known) < 0.1


def test_every_settled_episode_closed_at_a_form_with_a_mark_that_is_still_lower(
    closed: list[ClosedEpisode],
) -> None:
    settled = [each for each in closed if each.episode.end is EpisodeEnd.SETTLED]
    assert settled
    for each in settled:
        marks = {part: found.score for part, found in each.at_close.components.items()}
        assert any(marks[part] < near for part, near in each.episode.near_from.items())


def test_real_ratings_give_few_messages_of_which_few_are_for_low_marks_from_the_start(
    detector: TrainedDetector,
) -> None:
    file = os.environ.get(REAL_RATINGS)
    if file is None:
        pytest.skip(f"{REAL_RATINGS} names no table of real ratings")
    courses = read_histories(Path(file), Catalogue.load()).dyads
    histories = [course.forms for course in courses]
    statistics = statistics_of_others(histories, [course.practice_id for course in courses])
    dyads = assess_histories(detector, histories, statistics)
    rated = sum(form.answered > 0 for dyad in dyads for form in dyad.forms)
    told = sum(each.step in {"opened", "deepened"} for dyad in dyads for each in dyad.decisions)
    low = sum(
        each.step == "opened" and assessment.risk < detector.threshold
        for dyad in dyads
        for each, assessment in zip(dyad.decisions, dyad.assessments, strict=True)
    )
    assert 100 * told / rated <= MOST_MESSAGES
    assert 100 * low / rated <= 0.3
