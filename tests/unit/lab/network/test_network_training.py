"""Trains tiny networks: the arrays are what the detector reads, and both compute the same numbers."""

from pathlib import Path

import jax.numpy as jnp
import numpy as np
import pytest

from lab.network.fit import NetworkPlan, NetworkTraining, Round
from lab.network.gru import TrainingBatch, forward, initial_parameters, loss
from lab.network.kept import ARRAYS_FILE, KEPT, RECIPE_FILE, keep, kept_network
from lab.network.sequences import CLIENTS, GROUPS, simulate_sequences
from services.detector.model.network_file import network_of
from services.detector.model.network_inputs import FORM_INPUTS, INPUTS

pytestmark = pytest.mark.study

TINY = NetworkPlan(
    units=8, rounds=(Round(5, 40, 1e-2),), steps_per_chunk=20, worlds_per_chunk=4, clients=64, seed=1
)


@pytest.fixture(scope="module")
def after_training() -> tuple[NetworkTraining, float]:
    """A tiny network after its only round, and its log loss."""
    training = NetworkTraining(TINY, lambda *_: None)
    return training, training.run(0)


@pytest.fixture
def trained(after_training: tuple[NetworkTraining, float]) -> NetworkTraining:
    return after_training[0]


def test_the_numpy_network_computes_what_was_trained(trained: NetworkTraining) -> None:
    sequences = simulate_sequences(9, 0, 2)
    network = network_of(trained.arrays())
    inputs = np.zeros((len(sequences.inputs), sequences.inputs.shape[1], len(INPUTS)))
    inputs[:, :, : len(FORM_INPUTS) + 1] = sequences.inputs
    state = network.start(len(inputs))
    expected = np.empty(inputs.shape[:2])
    falls = np.empty((*inputs.shape[:2], 3))
    for t in range(inputs.shape[1]):
        output = network.head(state, inputs[:, t])
        expected[:, t], falls[:, t] = output.log_odds, output.falls
        state = network.step(state, inputs[:, t])

    log_odds, in_units = forward(trained.parameters, jnp.asarray(inputs, dtype=jnp.float32))

    np.testing.assert_allclose(np.asarray(log_odds), expected, atol=2e-4)
    np.testing.assert_allclose(0.2 * np.asarray(in_units), falls, atol=2e-4)


def test_training_lowers_the_log_loss(after_training: tuple[NetworkTraining, float]) -> None:
    rng = np.random.default_rng(2)
    sequences = simulate_sequences(9, 0, 2)
    inputs = np.zeros((len(sequences.inputs), sequences.inputs.shape[1], len(INPUTS)), dtype=np.float32)
    inputs[:, :, : len(FORM_INPUTS) + 1] = sequences.inputs
    which = rng.permutation(len(inputs))
    batch = TrainingBatch(
        jnp.asarray(inputs[which]),
        jnp.asarray(sequences.rupture[which], dtype=jnp.float32),
        jnp.asarray(sequences.present[which], dtype=jnp.float32),
        jnp.asarray(sequences.fall[which]),
    )
    _, before = loss(initial_parameters(TINY.seed, TINY.units), batch)
    _, after = loss(after_training[0].parameters, batch)
    assert float(after) < 0.9 * float(before)


def test_the_head_s_rows_for_the_level_and_the_top_are_zero_where_only_the_shape_counts() -> None:
    parameters = initial_parameters(1, 8)
    inputs = np.zeros((1, 1, len(INPUTS)), dtype=np.float32)
    lowered = inputs.copy()
    lowered[0, 0, INPUTS.index("level")] = -1.0
    before, _ = forward(parameters, jnp.asarray(inputs))
    after, _ = forward(parameters, jnp.asarray(lowered))
    assert float(after[0, 0]) > float(before[0, 0])


def test_statistics_are_those_of_other_clients_of_the_same_world() -> None:
    sequences = simulate_sequences(3, 0, 4)
    size = CLIENTS // GROUPS
    groups = sequences.statistics.reshape(-1, size, sequences.statistics.shape[1])
    for group in groups:
        np.testing.assert_array_equal(group, np.broadcast_to(group[0], group.shape))
    known = ~np.isnan(groups[:, 0, 0])
    assert 0 < known.sum() < known.size or known.all()
    firsts = groups[known][:, 0]
    assert len(np.unique(firsts, axis=0)) == len(firsts)


def test_the_same_chunk_is_simulated_alike_and_another_one_is_not() -> None:
    first, again, other = (simulate_sequences(3, chunk, 2) for chunk in (0, 0, 1))
    np.testing.assert_array_equal(first.inputs, again.inputs)
    assert not np.array_equal(first.inputs, other.inputs)


def test_arrays_are_kept_with_their_recipe_and_read_back(tmp_path: Path, trained: NetworkTraining) -> None:
    recipe = keep(tmp_path, trained.arrays(), TINY, 0.5)
    assert kept_network(tmp_path).units == 8
    assert recipe.plan["worlds_per_chunk"] == 4

    changed = (tmp_path / ARRAYS_FILE).read_bytes() + b"x"
    (tmp_path / ARRAYS_FILE).write_bytes(changed)
    with pytest.raises(ValueError, match="not the file of the recipe"):
        kept_network(tmp_path)
    (tmp_path / RECIPE_FILE).unlink()
    with pytest.raises(ValueError, match="train the network"):
        kept_network(tmp_path)


def test_the_kept_network_is_the_one_of_its_recipe() -> None:
    assert kept_network(KEPT).units == NetworkPlan().units
