"""Each client is scored with statistics of other clients of the same practice."""

from collections.abc import Sequence

import numpy as np

from lab.practice_histories import DyadHistory, PracticeHistories
from lab.product_path import assess_histories, assess_table, forms_of
from lab.simulator.cohort import simulate
from lab.statistics_of_others import statistics_of_others
from services.detector.domain.detector import DyadAssessments, DyadForms
from services.detector.domain.form import Form, form_matrix
from services.detector.features.practice_statistics import ENOUGH_CLIENTS, practice_statistics
from services.detector.model.trained_detector import TrainedDetector


def caseload(clients: int, seed: int = 1) -> list[list[Form]]:
    """Return histories of clients who all gave a form."""
    cohort = simulate(np.random.default_rng(seed), 3 * clients)
    rated = [client for client in range(3 * clients) if not cohort.declined[client, 0]]
    return [forms_of(cohort, client) for client in rated[:clients]]


def test_clients_with_even_numbers_get_the_statistics_of_those_with_odd_ones() -> None:
    histories = caseload(2 * ENOUGH_CLIENTS)
    found = statistics_of_others(histories)
    odd = histories[1::2]
    client = np.repeat(np.arange(len(odd)), [len(forms) for forms in odd])
    expected = practice_statistics(form_matrix([form for forms in odd for form in forms]), client)
    assert expected is not None
    assert found[0] is not None
    assert found[1] is not None
    assert found[0].values == tuple(expected.tolist())
    assert all(found[even] == found[0] for even in range(0, len(found), 2))
    assert found[1].values != found[0].values


def test_a_half_that_is_too_small_gives_no_statistics() -> None:
    found = statistics_of_others(caseload(2 * ENOUGH_CLIENTS - 1))
    assert all(statistics is None for statistics in found[::2])
    assert all(statistics is not None for statistics in found[1::2])


def test_practices_are_apart() -> None:
    first, second = caseload(2 * ENOUGH_CLIENTS, seed=1), caseload(2 * ENOUGH_CLIENTS, seed=2)
    mixed = [forms for pair in zip(first, second, strict=True) for forms in pair]
    found = statistics_of_others(mixed, ["a", "b"] * len(first))
    assert found[::2] == statistics_of_others(first)
    assert found[1::2] == statistics_of_others(second)


class ReadsStatistics:
    """The shipped model, which keeps what it is given."""

    def __init__(self, detector: TrainedDetector, *, uses_statistics: bool) -> None:
        self.detector = detector
        self.version, self.threshold, self.reference = detector.version, detector.threshold, None
        self.uses_statistics = uses_statistics
        self.message_precision = detector.message_precision
        self.given: list[DyadForms] = []

    def reads(self, snapshot: bytes) -> bool:
        """Whether the model does."""
        return self.detector.reads(snapshot)

    def assess(self, dyads: Sequence[DyadForms]) -> list[DyadAssessments]:
        """Assess as the model does."""
        self.given = list(dyads)
        return self.detector.assess(dyads)


def test_only_a_model_that_uses_statistics_is_given_them(detector: TrainedDetector) -> None:
    histories = caseload(2 * ENOUGH_CLIENTS)
    statistics = statistics_of_others(histories)
    reading, other = (ReadsStatistics(detector, uses_statistics=uses) for uses in (True, False))
    assess_histories(reading, histories, statistics)
    assess_histories(other, histories, statistics)
    assert [list(dyad.statistics) for dyad in reading.given] == [
        [own] * len(forms) for own, forms in zip(statistics, histories, strict=True)
    ]
    assert all(not dyad.statistics for dyad in other.given)
    assess_histories(reading, histories)
    assert all(not dyad.statistics for dyad in reading.given)


def test_the_practices_of_a_table_are_assessed_apart(detector: TrainedDetector) -> None:
    first, second = caseload(2 * ENOUGH_CLIENTS, seed=1), caseload(2 * ENOUGH_CLIENTS, seed=2)
    rows = [
        DyadHistory(practice, str(number), forms, ratings=(), cutoff=None)
        for number, pair in enumerate(zip(first, second, strict=True))
        for practice, forms in zip("ab", pair, strict=True)
    ]
    model = ReadsStatistics(detector, uses_statistics=True)
    assess_table(model, PracticeHistories(rows, invalid_rows=0))
    read = [dyad.statistics[0] for dyad in model.given]
    assert read[::2] == statistics_of_others(first)
    assert read[1::2] == statistics_of_others(second)
