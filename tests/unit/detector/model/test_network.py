"""The network computes what its definition states, the same in every batch, and keeps its promise."""

from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from services.detector.domain.form import FORM_COLUMNS, form_matrix
from services.detector.features.practice_statistics import STATISTICS
from services.detector.model.network import STATE_GRID, Floats, Network
from services.detector.model.network_file import network_of
from services.detector.model.network_inputs import FORM_INPUTS, INPUT_GRID, INPUTS, form_inputs
from tests.support.detector.forms import declined, form
from tests.support.detector.networks import random_arrays
from tests.unit.detector.model import slow_network

NONE_KNOWN = np.full(len(STATISTICS), np.nan)
COLUMN = {name: index for index, name in enumerate(FORM_COLUMNS)}


def _random_forms(seed: int, n: int) -> Floats:
    """Return forms (n, columns) of all kinds: declined ones, single marks missing, lines and steps."""
    rng = np.random.default_rng(seed)
    forms = np.empty((n, len(FORM_COLUMNS)))
    forms[:, :4] = np.round(rng.uniform(0.0, 1.0, (n, 4)), 2)
    forms[:, :4][rng.random((n, 4)) < 0.2] = np.nan
    forms[:, COLUMN["answered"]] = rng.choice([3, 4, 6, 12], n)
    forms[:, COLUMN["spread"]] = np.where(rng.random(n) < 0.2, np.nan, rng.choice([0.0, 0.1, 0.3], n))
    forms[:, COLUMN["top"]] = np.round(rng.uniform(0.0, 1.0, n), 2)
    forms[:, COLUMN["step"]] = rng.choice([0.01, 0.2, 0.25], n)
    none = rng.random(n) < 0.1
    forms[none, :4] = np.nan
    forms[none, COLUMN["answered"]] = 0
    forms[none, COLUMN["spread"]] = np.nan
    forms[none, COLUMN["top"]] = np.nan
    forms[:, COLUMN["declined"]] = none
    return forms


def _random_rows(network: Network, seed: int, n: int) -> tuple[Floats, Floats]:
    """Return states (n, units) and inputs (n, `INPUTS`), a third of them without statistics."""
    rng = np.random.default_rng(seed)
    statistics = rng.uniform(-1.0, 1.0, (n, len(STATISTICS)))
    statistics[rng.random(n) < 1 / 3] = np.nan
    inputs = network.inputs(_random_forms(seed, n), rng.random(n) < 0.2, statistics)
    states = network.start(n)
    for _ in range(3):
        states = network.step(states, inputs[rng.permutation(n)])
    return states, inputs


@pytest.mark.parametrize("units", [5, 64])
def test_it_computes_what_a_slow_calculation_of_its_definition_does(units: int) -> None:
    arrays = random_arrays(units, units)
    network = network_of(arrays)
    states, inputs = _random_rows(network, 1, 40)
    output, after = network.head(states, inputs), network.step(states, inputs)
    for row in range(40):
        h, x = states[row].tolist(), inputs[row].tolist()
        log_odds, falls = slow_network.head(network.weights, h, x)
        assert output.log_odds[row] == pytest.approx(log_odds, rel=1e-12, abs=1e-12)
        assert output.falls[row] == pytest.approx(falls, rel=1e-12, abs=1e-12)
        assert after[row] == pytest.approx(slow_network.step(network.weights, h, x), abs=0.6 * STATE_GRID)


def test_its_inputs_are_those_of_a_slow_calculation() -> None:
    columns = _random_forms(2, 300)
    found = form_inputs(columns)
    for row in range(300):
        expected = slow_network.form_inputs(dict(zip(FORM_COLUMNS, columns[row].tolist(), strict=True)))
        assert found[row] == pytest.approx(expected, abs=2 * INPUT_GRID)


def test_the_inputs_have_their_names() -> None:
    columns = form_matrix([form(0, 0.8, 0.7, 0.6, overall=0.72), declined(1)])
    found = dict(zip(FORM_INPUTS, form_inputs(columns).T.tolist(), strict=True))
    assert found["rated"] == [1.0, 0.0]
    assert found["declined"] == [0.0, 1.0]
    assert found["level"] == pytest.approx([-0.08 / 0.15, 0.0], abs=1e-6)
    assert found["bond_contrast"] == pytest.approx([1.0, 0.0], abs=1e-6)
    assert found["overall_contrast"] == pytest.approx([0.25, 0.0], abs=1e-6)
    assert found["answered"] == pytest.approx([np.log(12 / 8), 0.0], abs=1e-6)


def test_statistics_are_standardised_bounded_and_marked_as_known() -> None:
    arrays = random_arrays(3)
    network = network_of(arrays)
    values = arrays["statistics_mean"] + np.linspace(-6, 6, len(STATISTICS)) * arrays["statistics_sd"]
    found = network.context(np.array([True, False]), np.stack([values, NONE_KNOWN]))
    assert found[0] == pytest.approx([1, *np.clip(np.linspace(-6, 6, len(STATISTICS)), -4, 4), 1], abs=1e-6)
    assert found[1].tolist() == [0.0] * (len(STATISTICS) + 2)


@pytest.mark.parametrize("units", [16, 64, 96])
@pytest.mark.parametrize("size", [1, 2, 7, 64, 65, 512])
def test_a_row_does_not_depend_on_the_size_of_its_batch(units: int, size: int) -> None:
    network = network_of(random_arrays(units, units, 32))
    states, inputs = _random_rows(network, 4, 512)
    output, after = network.head(states, inputs), network.step(states, inputs)
    for begin in (0, 512 - size):
        rows = slice(begin, begin + size)
        part = network.head(states[rows], inputs[rows])
        assert np.array_equal(part.log_odds, output.log_odds[rows])
        assert np.array_equal(part.falls, output.falls[rows])
        assert np.array_equal(network.step(states[rows], inputs[rows]), after[rows])


@pytest.mark.parametrize("units", [16, 64, 96])
def test_a_row_does_not_depend_on_its_place_in_the_batch(units: int) -> None:
    network = network_of(random_arrays(units, units, 32))
    states, inputs = _random_rows(network, 5, 200)
    output, after = network.head(states, inputs), network.step(states, inputs)
    for seed in range(10):
        order = np.random.default_rng(seed).permutation(200)
        part = network.head(states[order], inputs[order])
        assert np.array_equal(part.log_odds, output.log_odds[order])
        assert np.array_equal(part.falls, output.falls[order])
        assert np.array_equal(network.step(states[order], inputs[order]), after[order])


def test_its_sums_of_products_are_the_same_in_any_order() -> None:
    network = network_of(random_arrays(6, 64))
    states, inputs = _random_rows(network, 6, 100)
    for numbers, weights in ((inputs, network.weights.w), (states, network.weights.u)):
        backwards = np.zeros((100, weights.shape[1]))
        for index in reversed(range(weights.shape[0])):
            backwards += numbers[:, index, None] * weights[index]
        assert np.array_equal(numbers @ weights, backwards)


def test_a_state_fits_into_single_precision() -> None:
    network = network_of(random_arrays(7, 64))
    states, inputs = _random_rows(network, 7, 100)
    after = network.step(states, inputs)
    assert np.abs(after).max() <= 1.0
    assert np.array_equal(after.astype(np.float32).astype(np.float64), after)


STEPS = 48
marks = st.integers(0, STEPS)
rows = st.tuples(marks, marks, marks, marks)


@settings(max_examples=200, deadline=None)
@given(
    seed=st.integers(0, 10_000),
    history=st.lists(rows, max_size=6),
    last=rows,
    missing=st.sets(st.integers(0, 3), max_size=3),
    falls=st.lists(st.tuples(marks, st.integers(0, 12)), min_size=1, max_size=8),
)
def test_lowering_a_whole_form_never_lowers_the_log_odds(
    seed: int,
    history: list[tuple[int, int, int, int]],
    last: tuple[int, int, int, int],
    missing: set[int],
    falls: list[tuple[int, int]],
) -> None:
    network = network_of(random_arrays(seed))
    rng = np.random.default_rng(seed)
    statistics = rng.uniform(-1.0, 1.0, (1, len(STATISTICS)))
    state = network.start(1)
    for number, parts in enumerate(history):
        columns = np.array([[*(part / STEPS for part in parts), 12, 0.2, parts[0] / STEPS, 1 / 12, 0]])
        state = network.step(state, network.inputs(columns, np.array([number == 0]), statistics))
    given_marks = [part for place, part in enumerate(last) if place not in missing]
    by = sorted({0, *(fall for fall, _ in falls if fall <= min(given_marks))})
    tops = sorted((top for _, top in falls), reverse=True)
    lowered = [
        [
            *(np.nan if place in missing else (part - fall) / STEPS for place, part in enumerate(last)),
            12,
            0.2,
            tops[min(index, len(tops) - 1)] / 12,
            1 / 12,
            0,
        ]
        for index, fall in enumerate(by)
    ]
    n = len(lowered)
    inputs = network.inputs(np.array(lowered), np.full(n, not history), np.repeat(statistics, n, axis=0))
    log_odds = network.head(np.repeat(state, n, axis=0), inputs).log_odds.tolist()
    assert all(lower >= higher for higher, lower in pairwise(log_odds))


def test_there_is_one_input_for_each_row_of_the_weights() -> None:
    assert len(INPUTS) == 41
    assert len(set(INPUTS)) == 41
