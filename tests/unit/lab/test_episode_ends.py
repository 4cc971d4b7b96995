"""Over simulated practices: repaired means near the usual level at the opening, settled means lower."""

from collections.abc import Iterator
from math import isnan
from typing import NamedTuple

import numpy as np
import pytest

from lab.product_path import AssessedDyad, assess_cohort
from lab.simulator.cohort import simulate
from lab.simulator.two_state_cohort import simulate_two_state
from schemas.events import OpenedBy
from services.detector.domain.assessment import Assessment
from services.detector.domain.episodes import NO_SESSIONS, Episode, EpisodeEnd, fold_episodes
from services.detector.domain.session_risk import session_risk
from services.detector.model.trained_detector import TrainedDetector

CLIENTS = 60
PRACTICES = 10


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
