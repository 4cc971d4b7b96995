"""Runs a small recurrent network over a dyad's forms: its log-odds of a rupture, and the fall it expects.

The network is a GRU (Cho et al. 2014, gates as in PyTorch) with a head that reads the state before a session
and the session's inputs. Lowering a whole form never lowers the log-odds: the level and the share of marks at
the top enter with weights of one sign only, and every step is monotone in floating point, too.

A row's numbers do not depend on its batch. The weights, inputs and states are multiples of powers of two, so
small that each sum of products is exact, whatever the order in which the processor's BLAS adds.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.special import expit

from services.detector.model.network_inputs import (
    INPUT_GRID,
    LARGEST_INPUT,
    LEVEL,
    TOP,
    Bools,
    context_inputs,
    form_inputs,
    with_context,
)

Floats = NDArray[np.float64]

STATE_GRID = 2.0**-24
"""States are at most 1 in size, so that a multiple of this fits into a float32."""
WEIGHT_GRID = 2.0**-21
LARGEST_SUM = 2.0**53 * WEIGHT_GRID * min(INPUT_GRID / LARGEST_INPUT, STATE_GRID)
"""What the sizes of all weights into one unit may add up to (256), so that sums of products are exact."""

_FALL_SCALE = 0.2
_BLOCK = 128
"""Rows computed together: their numbers fit into the processor's cache. No result depends on it."""


@dataclass(frozen=True, slots=True)
class NetworkWeights:
    """The arrays of a network of u units over k inputs; weights on `WEIGHT_GRID`.

    The head's units are m monotone ones, f free ones and g that only serve the falls, in this order.
    """

    w: Floats
    """(k, 3u) of the inputs into the gates z, r and n."""
    u: Floats
    """(u, 3u) of the state into the gates."""
    b: Floats
    """(3u,)"""
    c: Floats
    """(u,) added to what the state brings into gate n."""
    head_h: Floats
    """(u, m + f + g) of the state into the head's units."""
    head_x: Floats
    """(k, m + f + g); 0 from the level and the top into the monotone and the free units."""
    head_b: Floats
    """(m + f + g,)"""
    m_level: Floats
    """(m,) how much a lower level raises a monotone unit; at least 0, as `m_top` and `m_value`."""
    m_top: Floats
    """(m,)"""
    m_value: Floats
    """(m,)"""
    f_value: Floats
    """(f,)"""
    level_weight: Floats
    """() at least 0, as `top_weight`."""
    top_weight: Floats
    """()"""
    bias: Floats
    """()"""
    g_value: Floats
    """(g, 3)"""
    g_bias: Floats
    """(3,)"""
    statistics_mean: Floats
    """(21,)"""
    statistics_sd: Floats
    """(21,) above 0."""


@dataclass(frozen=True, slots=True)
class NetworkOutput:
    """What the network says about n forms."""

    log_odds: Floats
    """(n,) of a rupture."""
    falls: Floats
    """(n, 3) of bond, goal and task below what is usual for the client, on 0 to 1."""


class Network:
    """A network with its weights; it is pure, and every row is computed by itself."""

    def __init__(self, weights: NetworkWeights) -> None:
        self.weights = weights
        self.units = weights.c.size
        # Columns of one output each: an inner sum over adjacent numbers has one order in every batch.
        self._g_values = np.ascontiguousarray(weights.g_value.T)
        self._monotone = slice(0, weights.m_value.size)
        self._free = slice(weights.m_value.size, weights.m_value.size + weights.f_value.size)
        self._falls = slice(self._free.stop, None)

    def start(self, n: int) -> Floats:
        """Return the state (n, units) of n dyads without a form."""
        return np.zeros((n, self.units))

    def context(self, first: Bools, statistics: Floats) -> Floats:
        """Return `context_inputs`, standardised as in the training."""
        return context_inputs(first, statistics, self.weights.statistics_mean, self.weights.statistics_sd)

    def inputs(self, columns: Floats, first: Bools, statistics: Floats) -> Floats:
        """Return the inputs (n, `INPUTS`) of n forms.

        Args:
            columns: (n, columns) of `FORM_COLUMNS`.
            first: (n,) whether the dyad has no form before this one.
            statistics: (n, 21) of the practice; a row with NaN: none are known.
        """
        return with_context(form_inputs(columns), self.context(first, statistics))

    def step(self, state: Floats, inputs: Floats) -> Floats:
        """Return the state (n, units) after n forms.

        Args:
            state: (n, units) before them.
            inputs: (n, `INPUTS`).
        """
        after = np.empty_like(state, order="C")
        for begin in range(0, len(after), _BLOCK):
            rows = slice(begin, begin + _BLOCK)
            after[rows] = self._block_after(state[rows], inputs[rows])
        return after

    def head(self, state: Floats, inputs: Floats) -> NetworkOutput:
        """Return the log-odds and the falls of n forms from the state before them.

        Args:
            state: (n, units) before the forms.
            inputs: (n, `INPUTS`) of the forms.
        """
        log_odds, falls = np.empty(len(state)), np.empty((len(state), 3))
        for begin in range(0, len(state), _BLOCK):
            rows = slice(begin, begin + _BLOCK)
            log_odds[rows], falls[rows] = self._block_output(state[rows], inputs[rows])
        return NetworkOutput(log_odds, falls)

    def _block_after(self, state: Floats, inputs: Floats) -> Floats:
        units, weights = self.units, self.weights
        of_inputs, of_state = inputs @ weights.w, state @ weights.u
        of_inputs += weights.b
        gates = of_inputs[:, : 2 * units] + of_state[:, : 2 * units]
        expit(gates, out=gates)
        keep, reset = gates[:, :units], gates[:, units:]
        new = of_state[:, 2 * units :] + weights.c
        new *= reset
        new += of_inputs[:, 2 * units :]
        # tanh(x) is 2 expit(2 x) - 1, which takes half the time.
        new *= 2.0
        expit(new, out=new)
        new *= 2.0
        new -= 1.0
        after: Floats = (1.0 - keep) * new + keep * state
        after /= STATE_GRID
        np.rint(after, out=after)
        after *= STATE_GRID
        return after

    def _block_output(self, state: Floats, inputs: Floats) -> tuple[Floats, Floats]:
        weights = self.weights
        level, top = inputs[:, LEVEL], inputs[:, TOP]
        units = inputs @ weights.head_x
        units += state @ weights.head_h
        units += weights.head_b
        monotone = units[:, self._monotone]
        monotone -= level[:, None] * weights.m_level
        monotone -= top[:, None] * weights.m_top
        np.clip(monotone, 0.0, 1.0, out=monotone)
        np.maximum(units[:, self._free.start :], 0.0, out=units[:, self._free.start :])
        log_odds = np.einsum("nu,u->n", monotone, weights.m_value)
        log_odds += np.einsum("nu,u->n", units[:, self._free], weights.f_value)
        log_odds += weights.bias
        log_odds -= level * weights.level_weight
        log_odds -= top * weights.top_weight
        falls = np.stack([np.einsum("nu,u->n", units[:, self._falls], value) for value in self._g_values], 1)
        return log_odds, _FALL_SCALE * (falls + weights.g_bias)
