"""Over simulated practices: repaired, settled and opened are true by the usual level that the page shows."""

from collections.abc import Iterator
from typing import NamedTuple

import numpy as np
import pytest

from lab.product_path import AssessedDyad, assess_cohort
from lab.simulator.cohort import simulate
from lab.simulator.two_state_cohort import simulate_two_state
from schemas.facts import Shape, Standing
from services.detector.contracts import StatedComponent, StatedFacts
from services.detector.domain.fall import LEAST_FALL
from services.detector.domain.form import marks_of
from services.detector.model.trained_detector import TrainedDetector
from services.detector.published.facts import SessionMarks, find_facts

CLIENTS = 60
PRACTICES = 60
MOST_MESSAGES = 3.0
"""Per 100 rated sessions."""


class Page(NamedTuple):
    """What is stated of an episode at one session, beside what was told of it last."""

    step: str
    by_form: bool
    """Whether a form was given at this session."""
    facts: StatedFacts
    told: StatedFacts

    @property
    def known(self) -> list[StatedComponent]:
        """Return the components with a usual level and a mark."""
        return [part for part in self.facts.components if part.usual is not None and part.mark is not None]

    @property
    def named(self) -> list[StatedComponent]:
        """Return the components with a usual level that were told to have fallen; all, if none were."""
        fell = {part.component for part in self.told.components if part.standing is Standing.FELL}
        return [part for part in self.known if part.component in fell or not fell]


def below(part: StatedComponent, mark: float | None) -> float:
    if part.usual is None or mark is None:
        raise AssertionError("the component has a usual level and this mark")
    return part.usual - mark


def pages_of(dyad: AssessedDyad) -> Iterator[Page]:
    sessions = [SessionMarks(form.order.session_at, marks_of(form)) for form in dyad.forms]
    opened, told = 0, StatedFacts(Shape.UNCLEAR)
    for number, decision in enumerate(dyad.decisions, 1):
        if decision.step in {"opened", "deepened"}:
            opened = number if decision.step == "opened" else opened
            told = find_facts(sessions[:number], opened)
            yield Page(decision.step, bool(sessions[number - 1].marks), told, told)
        elif decision.step in {"repaired", "settled"}:
            settled = decision.step == "settled"
            facts = find_facts(sessions[:number], opened, settled=settled)
            yield Page(decision.step, bool(sessions[number - 1].marks), facts, told)


@pytest.fixture(scope="module")
def pages(detector: TrainedDetector) -> list[Page]:
    dyads: list[AssessedDyad] = []
    for number, seed in enumerate(np.random.SeedSequence(31).spawn(PRACTICES)):
        family = (simulate, simulate_two_state)[number % 2]
        dyads += assess_cohort(detector, family(np.random.default_rng(seed), CLIENTS)).dyads
    return [page for dyad in dyads for page in pages_of(dyad)]


def test_no_repaired_page_shows_a_mark_a_tenth_of_the_scale_under_its_usual_level(pages: list[Page]) -> None:
    repaired = [page for page in pages if page.step == "repaired" and page.known]
    assert len(repaired) > 300
    assert max(below(part, part.mark) for page in repaired for part in page.known) < 0.1


def test_every_settled_page_names_a_component_that_is_lastingly_lower(pages: list[Page]) -> None:
    settled = [page for page in pages if page.step == "settled" and page.named]
    assert len(settled) > 15
    for page in settled:
        assert max(below(part, part.lasting) for part in page.named) > LEAST_FALL - 1e-5


def test_every_opening_by_a_form_shows_a_component_under_its_usual_level_where_one_is_known(
    pages: list[Page],
) -> None:
    openings = [page for page in pages if page.step == "opened" and page.by_form]
    low = [page for page in openings if page.facts.shape is Shape.LOW_FROM_START]
    known = [page for page in openings if page.known and page not in low]
    assert len(known) > 900
    assert min(max(below(part, part.mark) for part in page.known) for page in known) > 0


def test_real_ratings_give_few_messages_of_which_few_are_for_low_marks_from_the_start(
    detector: TrainedDetector, real_dyads: list[AssessedDyad]
) -> None:
    rated = sum(form.answered > 0 for dyad in real_dyads for form in dyad.forms)
    told = sum(each.step in {"opened", "deepened"} for dyad in real_dyads for each in dyad.decisions)
    low = sum(
        each.step == "opened" and assessment.risk < detector.threshold
        for dyad in real_dyads
        for each, assessment in zip(dyad.decisions, dyad.assessments, strict=True)
    )
    assert 100 * told / rated <= MOST_MESSAGES
    assert 100 * low / rated <= 0.3
