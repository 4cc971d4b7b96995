"""The shipped model is better than today's rules on a cohort that it was not trained on."""

import pytest

from lab.evaluation.evaluate import ScenarioFigures, evaluate_cohort
from lab.simulator.scenarios import SCENARIOS
from services.detector.model.artefact import SHIPPED, load
from services.detector.model.classifier import NetworkBlend
from services.detector.model.manifest import read_manifest
from services.detector.model.trained_detector import TrainedDetector


@pytest.fixture(scope="module")
def figures(detector: TrainedDetector) -> ScenarioFigures:
    """One cohort of 300 clients by the published figures."""
    name = "as published, 12 items"
    return evaluate_cohort(detector, name, SCENARIOS[name], 91, 300)


def test_the_model_orders_sessions_better_than_an_ewma_and_that_better_than_the_vendor_rule(
    figures: ScenarioFigures,
) -> None:
    rules = {rule.name: rule.ranking.auprc for rule in figures.rules}
    assert rules["vendor rule"] < rules["EWMA"] < figures.model.ranking.auprc
    assert figures.model.ranking.auprc > 1.4 * rules["EWMA"]


def test_the_model_raises_a_small_part_of_the_vendor_rules_false_alarms(figures: ScenarioFigures) -> None:
    vendor = figures.rules[0]
    assert figures.model.false_per_100_stable < vendor.false_per_100_stable / 3


def test_a_risk_means_what_it_says(figures: ScenarioFigures) -> None:
    assert figures.calibration_error < 0.08


def test_the_component_that_fell_is_mostly_named(figures: ScenarioFigures) -> None:
    right, count = figures.leading_right
    assert right / count > 0.7


def test_hypotheses_are_worth_more_than_deviations_and_trees_add_to_them(figures: ScenarioFigures) -> None:
    found = figures.parts
    assert found is not None
    assert found.deviations_alone < found.filter_alone < figures.model.ranking.auprc + 0.03
    assert found.trees_alone < figures.model.ranking.auprc + 0.03


def test_what_trees_filter_and_network_say_never_counts_against_a_rupture() -> None:
    classifier = load(SHIPPED).classifier
    assert isinstance(classifier, NetworkBlend)
    of_trees, of_filter, of_network, _ = classifier.weights
    assert of_trees > 0
    assert of_filter >= 0
    assert of_network > 0


def test_the_card_is_of_the_shipped_model() -> None:
    card = (SHIPPED / "MODEL_CARD.md").read_text(encoding="utf-8")
    assert card.startswith(f"# Model card: `{read_manifest(SHIPPED).version}`")
