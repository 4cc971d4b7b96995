"""The statistics of a small practice are those computed by hand, whatever the order of its clients."""

from math import nan, sqrt
from uuid import UUID

import numpy as np
import pytest
from numpy.typing import NDArray

from schemas.ids import DyadId
from services.detector.domain.form import FORM_COLUMNS
from services.detector.features.practice_forms import MOST_FORMS, PracticeForms
from services.detector.features.practice_statistics import ENOUGH_CLIENTS, STATISTICS, practice_statistics

Floats = NDArray[np.float64]


def row(level: float, apart: float = 0.0, *, items_apart: float = 0.0, top: float = 0.0) -> list[float]:
    """A form of nine items: bond lies `apart` above the level, task below; items differ within components."""
    spread = sqrt(2 * apart**2 / 3 + items_apart)
    values = {"bond": level + apart, "goal": level, "task": level - apart, "overall": nan, "answered": 9}
    values |= {"spread": spread, "top": top, "step": 0.01, "declined": 0}
    return [values[name] for name in FORM_COLUMNS]


DECLINED = [nan, nan, nan, nan, 0.0, nan, nan, 0.01, 1.0]
RISING = [row(0.6, 0.06, items_apart=0.0024, top=0.5)] * 2 + [row(0.9, 0.12, items_apart=0.0024, top=0.5)]
"""Deviations from the client's mean: -.1, -.1, .2; changes: 0, .3."""
FALLING = [row(0.6), DECLINED, row(0.5), row(0.4)]
"""Deviations from the client's mean: .1, 0, -.1; changes: -.1, -.1."""
PRACTICE = [RISING, FALLING] * 10
BY_HAND = {
    "mean_of_client_means": 0.6,  # ten times .7, ten times .5
    "sd_of_client_means": 0.1,
    "median_of_client_means": 0.6,
    "within_client_sd": sqrt(10 * (0.06 + 0.02) / 40),  # 60 forms of 20 clients
    "item_deviation": sqrt(9 * 0.0024 / 6),
    "autocorrelation": 10 * (0.01 - 0.02) / 40 / 0.02,
    "skewness": 10 * (-0.001 - 0.001 + 0.008) / 60 / 0.02**1.5,
    "kurtosis": 10 * (0.0001 + 0.0001 + 0.0016 + 0.0002) / 60 / 0.02**2,
    "change_quantile_01": -0.1,
    "change_quantile_03": -0.1,
    "change_quantile_08": -0.1,
    "change_quantile_92": 0.3,
    "change_quantile_97": 0.3,
    "change_quantile_99": 0.3,
    "share_at_top": 0.25,
    "share_declined": 10 / 70,
    "component_sd_within": sqrt(2 * 10 * (0.02**2 + 0.02**2 + 0.04**2) / (3 * 40)),
    "component_sd_between": sqrt((0.04**2 + 0 + 0.04**2) / 3),  # means: .08 or 0, 0, -.08 or 0
    "client_sd_quantile_10": 0.1,
    "client_sd_quantile_50": (0.1 + sqrt(0.03)) / 2,
    "client_sd_quantile_90": sqrt(0.03),
}


def statistics(clients: list[list[list[float]]]) -> Floats | None:
    """Return the statistics of clients, each given by its forms."""
    owner = np.repeat(np.arange(len(clients)), [len(forms) for forms in clients])
    return practice_statistics(np.array([form for forms in clients for form in forms]), owner)


def of_practice(clients: dict[int, list[list[float]]]) -> tuple[float, ...] | None:
    """Return the statistics of clients that are added in this order, each under its number."""
    forms = PracticeForms()
    for number, rows in clients.items():
        forms.add(DyadId(UUID(int=number)), np.array(rows))
    return forms.statistics()


@pytest.mark.parametrize("name", STATISTICS)
def test_each_statistic_is_the_one_computed_by_hand(name: str) -> None:
    found = statistics(PRACTICE)
    assert found is not None
    assert found[STATISTICS.index(name)] == pytest.approx(BY_HAND[name], abs=1e-6)


def test_there_are_twenty_one_statistics() -> None:
    assert list(BY_HAND) == list(STATISTICS)
    assert len(STATISTICS) == 21


def test_fewer_than_twenty_clients_with_a_form_have_no_statistics() -> None:
    assert statistics([*PRACTICE[: ENOUGH_CLIENTS - 1], [DECLINED]]) is None
    assert statistics([*PRACTICE[: ENOUGH_CLIENTS - 1], [DECLINED, row(0.5)]]) is not None


def test_clients_that_always_give_the_same_form_have_finite_statistics() -> None:
    found = statistics([[row(1.0, top=1.0)]] * ENOUGH_CLIENTS)
    assert found is not None
    assert np.isfinite(found).all()


def test_the_order_of_the_clients_does_not_matter() -> None:
    rng = np.random.default_rng(1)
    clients = {
        number: [row(level) for level in rng.uniform(0.3, 0.9, rng.integers(1, 9)).tolist()]
        for number in range(60)
    }
    expected = of_practice(clients)
    assert expected is not None
    for _ in range(20):
        shuffled = {int(number): clients[int(number)] for number in rng.permutation(60)}
        assert of_practice(shuffled) == expected


def test_a_practice_without_forms_has_no_statistics() -> None:
    assert PracticeForms().statistics() is None


def test_clients_and_forms_are_counted() -> None:
    forms = PracticeForms()
    forms.add(DyadId(UUID(int=1)), np.array(FALLING))
    forms.add(DyadId(UUID(int=2)), np.array([DECLINED]))
    assert (forms.clients, forms.forms) == (1, 5)


def test_only_the_newest_forms_of_a_client_count() -> None:
    ending = {number: [row(0.7)] * MOST_FORMS for number in range(ENOUGH_CLIENTS)}
    longer = {number: [row(0.2), *forms] for number, forms in ending.items()}
    assert of_practice(longer) == of_practice(ending)
