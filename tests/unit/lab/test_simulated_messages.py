"""The precision of a kind of message is the share of its messages at whose session a rupture is under way."""

from collections import Counter
from datetime import UTC, datetime, timedelta

import numpy as np
import pytest

from lab.messages.simulated_messages import (
    LEAST_MESSAGES,
    KindCounts,
    measure_precision,
    messages_of,
    precision_by_kind,
)
from lab.product_path import AssessedDyad, assess_cohort, assess_histories
from lab.reports.precision_section import precision_section, with_precision_section
from lab.simulator.cohort import simulate
from lab.simulator.instruments import catalogue_instruments
from lab.simulator.two_state_cohort import simulate_two_state
from lab.simulator.world import typical_world
from schemas.components import Component
from schemas.events import Status
from schemas.facts import Shape, Standing
from schemas.ids import InstrumentId, RatingId, SessionId
from schemas.rating_order import SessionOrder
from services.detector.domain.form import Form
from services.detector.domain.message_precision import MeasuredPrecision, kinds_of
from services.detector.model.artefact import SHIPPED
from services.detector.model.manifest import read_manifest
from services.detector.model.trained_detector import TrainedDetector
from tests.support.detector.toy_detector import ToyDetector

BEGIN = datetime(2026, 1, 5, tzinfo=UTC)
FALL = 5


def form(session: int, goal: float) -> Form:
    """A form in which only the goal differs from .8."""
    name = f"s{session}"
    order = SessionOrder(BEGIN + timedelta(weeks=session), SessionId(name), InstrumentId("wai-9"))
    return Form(RatingId(name), order, Status.RATED, 0.8, goal, 0.8, 0.8, 9, 0.1, 0.0, 0.25)


@pytest.fixture
def dyad() -> AssessedDyad:
    """A dyad whose goal falls once: the toy's risk of .1 + 2 x the mean fall reaches its threshold."""
    forms = [form(session, 0.1 if session >= FALL else 0.8) for session in range(8)]
    return assess_histories(ToyDetector(threshold=0.5), [forms])[0]


@pytest.mark.parametrize("right", [True, False])
def test_a_message_is_right_when_a_rupture_is_under_way_at_its_session(
    dyad: AssessedDyad,
    right: bool,  # noqa: FBT001 - a parameter of the test
) -> None:
    rupture = [(session >= FALL) is right for session in range(8)]
    (message,) = messages_of(dyad, rupture)
    fell = [one.component for one in message.facts.components if one.standing is Standing.FELL]
    assert (message.session, message.right) == (FALL, right)
    assert (message.facts.shape, fell) == (Shape.STEP, [Component.GOAL])


def test_a_kind_with_too_few_messages_has_no_figure() -> None:
    counts = [KindCounts(Counter(a=6, b=1), Counter(a=10, b=9)) for _ in range(LEAST_MESSAGES // 10)]
    assert precision_by_kind(counts) == {
        "a": MeasuredPrecision(right=0.6, low=0.6, high=0.6, messages=LEAST_MESSAGES)
    }


def test_the_interval_is_over_practices() -> None:
    # Half of the practices are always right: the share of 40 drawn ones lies within .5 +- 1.645 * .079.
    counts = [KindCounts(Counter(a=10 * (n % 2)), Counter(a=10)) for n in range(40)]
    found = precision_by_kind(counts)["a"]
    assert (found.right, found.messages) == (0.5, 400)
    assert (found.low, found.high) == pytest.approx((0.37, 0.63), abs=0.03)


def test_a_small_run_counts_every_message_of_both_families(detector: TrainedDetector) -> None:
    seeds = np.random.SeedSequence(3).spawn(8)
    expected = Counter[bool]()
    for number, child in enumerate(seeds):
        cohort = (simulate, simulate_two_state)[number % 2](np.random.default_rng(child), 60)
        for client, dyad in enumerate(assess_cohort(detector, cohort).dyads):
            took_place = np.nonzero(cohort.present[client])[0]
            for place, decision in enumerate(dyad.decisions):
                if decision.step in {"opened", "deepened"}:
                    expected[bool(cohort.rupture[client, took_place[place]])] += 1
    found = measure_precision(detector, lambda _: None, practices=8, seed=3)
    shapes = [kind for kind in found if "," not in kind]
    assert "step" in shapes
    assert sum(found[kind].messages for kind in shapes) <= expected.total()
    assert found["step"].right == pytest.approx(expected[True] / expected.total(), abs=0.1)
    assert found == measure_precision(detector, lambda _: None, practices=8, seed=3)


@pytest.mark.study
def test_the_shipped_figures_hold_for_the_practices_that_rapport_simulate_writes(
    detector: TrainedDetector,
) -> None:
    stated = read_manifest(SHIPPED).message_precision
    assert stated is not None
    right, messages = Counter[str](), Counter[str]()
    instruments = catalogue_instruments()
    # What is stated is a mean over practices: of ten single ones, each of 600 clients, .39 to .77 were right.
    for number in range(24):
        rng = np.random.default_rng(77 + number)
        instrument = instruments[number % len(instruments)]
        cohort = simulate(rng, 200, typical_world(instrument, rng), sessions=12)
        for client, dyad in enumerate(assess_cohort(detector, cohort).dyads):
            for message in messages_of(dyad, cohort.rupture[client, cohort.present[client]].tolist()):
                kind, _ = kinds_of(message.facts)
                messages[kind] += 1
                right[kind] += message.right
    found = {kind: right[kind] / messages[kind] for kind in messages if messages[kind] >= LEAST_MESSAGES}
    assert {"step, one", "step, several"} <= found.keys()
    assert {kind: stated[kind].right for kind in found} == pytest.approx(found, abs=0.1)


def test_the_section_of_the_card_replaces_the_one_before_and_changes_nothing_else() -> None:
    before = (SHIPPED / "MODEL_CARD.md").read_text(encoding="utf-8")
    manifest = read_manifest(SHIPPED)
    bare = with_precision_section(before, manifest.model_copy(update={"message_precision": None}))
    figures = {"step": MeasuredPrecision(right=0.47, low=0.44, high=0.5, messages=4227)}
    measured = manifest.model_copy(update={"message_precision": figures})
    card = with_precision_section(before, measured)
    assert "| step | 47 | 44 to 50 | 4227 |" in card
    assert card.replace(precision_section(measured), "") == bare
    assert with_precision_section(card, measured) == card
