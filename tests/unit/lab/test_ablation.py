"""The parts of a model are scored one by one, the network among them."""

from lab.evaluation.evaluate import evaluate_cohort
from lab.reports.rows import part_columns, part_rows
from lab.simulator.scenarios import SCENARIOS
from services.detector.model.trained_detector import TrainedDetector
from tests.support.detector.networks import with_random_network


def test_a_model_with_a_network_has_the_networks_score_among_its_parts(detector: TrainedDetector) -> None:
    name = "as published, 12 items"
    figures = evaluate_cohort(with_random_network(detector, 1), name, SCENARIOS[name], 5, 40)
    assert figures.parts is not None
    assert figures.parts.network_alone is not None
    assert part_columns([figures])[-2:] == ("network", "together")
    assert [len(row) for row in part_rows([figures])] == [6, 6]
