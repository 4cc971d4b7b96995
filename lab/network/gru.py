"""Computes the network and its loss in JAX; at run time `services.detector.model.network` does so in numpy.

A gated recurrent unit (Cho et al. 2014) carries what earlier sessions said; a head reads it together with the
session's own inputs. The head's monotone units and its linear terms see how low the form is as a whole only
with weights of one sign, so that lowering a whole form never lowers the risk.
"""

from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jax.nn import sigmoid, softplus
from jax.nn.initializers import glorot_uniform, orthogonal
from numpy.typing import NDArray

from services.detector.model.network_inputs import INPUTS, LEVEL, TOP

Parameters = dict[str, jax.Array]

HEAD_UNITS = 32
"""Units of each of the head's three groups: monotone, free, and those that estimate the falls."""
FALL_UNIT = 0.2
"""Falls are estimated in units of this, on the scale 0 to 1."""
NONNEGATIVE = ("m_level", "m_top", "m_value", "level_weight", "top_weight")
"""Parameters that enter through softplus, which keeps them positive."""


class TrainingBatch(NamedTuple):
    """Sequences of b clients over t sessions."""

    inputs: jax.Array
    """(b, t, inputs) with the statistics."""
    rupture: jax.Array
    """(b, t) 0 or 1."""
    present: jax.Array
    """(b, t) 0 or 1."""
    fall: jax.Array
    """(b, t, 3)"""


def initial_parameters(seed: int, units: int) -> Parameters:
    """Return random parameters of a network with a state of `units` numbers."""
    key = jax.random.split(jax.random.PRNGKey(seed), 12)
    glorot, square = glorot_uniform(), orthogonal()
    hidden = 3 * HEAD_UNITS
    level_offsets = jax.random.uniform(key[8], (HEAD_UNITS,), minval=-3.0, maxval=2.0)
    return {
        "w": jnp.concatenate([glorot(key[i], (len(INPUTS), units)) for i in range(3)], 1),
        "u": jnp.concatenate([square(key[3 + i], (units, units)) for i in range(3)], 1),
        "b": jnp.concatenate([jnp.ones(units), jnp.zeros(2 * units)]),
        "c": jnp.zeros(units),
        "head_h": glorot(key[6], (units, hidden)),
        "head_x": glorot(key[7], (len(INPUTS), hidden)),
        "head_b": jnp.concatenate([level_offsets, jnp.zeros(2 * HEAD_UNITS)]),
        "m_level": jnp.zeros(HEAD_UNITS),
        "m_top": jnp.full(HEAD_UNITS, -3.0),
        "m_value": jnp.full(HEAD_UNITS, -1.0),
        "f_value": 0.1 * jax.random.normal(key[9], (HEAD_UNITS,)),
        "level_weight": jnp.array(-3.0),
        "top_weight": jnp.array(-5.0),
        "bias": jnp.array(-2.0),
        "g_value": glorot(key[10], (HEAD_UNITS, 3)),
        "g_bias": jnp.zeros(3),
    }


def _shape_only() -> jax.Array:
    """Return (inputs, head units) 1, or 0 where the head may not see how low the form is."""
    mask = np.ones((len(INPUTS), 3 * HEAD_UNITS), dtype=np.float32)
    mask[[LEVEL, TOP], : 2 * HEAD_UNITS] = 0.0
    return jnp.asarray(mask)


def forward(parameters: Parameters, inputs: jax.Array) -> tuple[jax.Array, jax.Array]:
    """Return the log-odds (b, t) of a rupture and the falls (b, t, 3) in units of `FALL_UNIT`.

    `inputs` is (b, t, inputs); each session is judged from the state before it and its own inputs.
    """
    units = parameters["c"].shape[0]
    gates = inputs @ parameters["w"] + parameters["b"]

    def step(state: jax.Array, gate: jax.Array) -> tuple[jax.Array, jax.Array]:
        recurrent = state @ parameters["u"]
        update = sigmoid(gate[:, :units] + recurrent[:, :units])
        reset = sigmoid(gate[:, units : 2 * units] + recurrent[:, units : 2 * units])
        proposed = jnp.tanh(gate[:, 2 * units :] + reset * (recurrent[:, 2 * units :] + parameters["c"]))
        return (1 - update) * proposed + update * state, state

    _, before = jax.lax.scan(step, jnp.zeros((inputs.shape[0], units)), gates.swapaxes(0, 1))
    before = before.swapaxes(0, 1)
    hidden = (
        before @ parameters["head_h"] + inputs @ (parameters["head_x"] * _shape_only()) + parameters["head_b"]
    )
    level, top = inputs[..., LEVEL : LEVEL + 1], inputs[..., TOP : TOP + 1]
    monotone, free, falls = jnp.split(hidden, 3, axis=-1)
    monotone = jnp.clip(
        monotone - softplus(parameters["m_level"]) * level - softplus(parameters["m_top"]) * top, 0, 1
    )
    log_odds = (
        (monotone * softplus(parameters["m_value"])).sum(-1)
        + (jax.nn.relu(free) * parameters["f_value"]).sum(-1)
        - softplus(parameters["level_weight"]) * level[..., 0]
        - softplus(parameters["top_weight"]) * top[..., 0]
        + parameters["bias"]
    )
    return log_odds, jax.nn.relu(falls) @ parameters["g_value"] + parameters["g_bias"]


def loss(parameters: Parameters, batch: TrainingBatch) -> tuple[jax.Array, jax.Array]:
    """Return what training minimises, and the part of it that is the log loss; both per session.

    The squared error of the falls is an auxiliary task: it says what a rupture consists of.
    """
    log_odds, falls = forward(parameters, batch.inputs)
    log_loss = jnp.maximum(log_odds, 0) - log_odds * batch.rupture + jnp.log1p(jnp.exp(-jnp.abs(log_odds)))
    squares = ((falls - batch.fall / FALL_UNIT) ** 2).mean(-1)
    sessions = batch.present.sum()
    of_ruptures = (log_loss * batch.present).sum() / sessions
    return of_ruptures + (squares * batch.present).sum() / sessions, of_ruptures


def exported(parameters: Parameters) -> dict[str, NDArray[np.float64]]:
    """Return the arrays as the detector reads them: float64, signs and zeros as it demands them."""
    arrays = {
        name: np.asarray(softplus(value) if name in NONNEGATIVE else value, dtype=np.float64)
        for name, value in parameters.items()
    }
    arrays["head_x"] = arrays["head_x"] * np.asarray(_shape_only(), dtype=np.float64)
    return arrays
