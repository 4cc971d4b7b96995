"""What is expected of a session and the form given in, noise that explains the form out, with its weights.

Drawn blindly, most noise would explain nothing. So it is drawn around what the form asks for, from
distributions with tails as heavy as the noise's own, and weighed by how much less often the simulator would
have drawn it. Some of it is drawn as if the noise were three times as wide: a single far-off session
is either that or a fall, and both must be guessed well. How well this is done changes the weights'
spread, not what they add up to.
"""

import numpy as np

from lab.optimal_filter.observation_model import Asked
from lab.optimal_filter.particles import COMMON, Bools, Floats, Sums
from lab.simulator.cohort import OVERALL_NOISE

_POOL = 1 << 19
_BLIND = np.float32(0.15)
_STRAY = np.float32(0.25)
"""Share of draws from the wide distribution, and how precise its centre takes the noise to be."""
_STRAY_PRECISION = np.float32(0.1)


class Guide:
    """Draws one session's innovations (5, n) in the order of `optimal_guesses.Guesses.noise`."""

    def __init__(self, rng: np.random.Generator, sums: Sums) -> None:
        """Of one world. The heavy-tailed numbers are drawn once and used from anywhere in them."""
        self._rng, self._sums = rng, sums
        tail = sums.world.tail
        self._tail = np.float32(tail)
        pool = rng.standard_t(tail, size=_POOL) * np.sqrt((tail - 2) / tail)
        self._pool: Floats = pool.astype(np.float32)

    def blind(self, rows: int, size: int) -> Floats:
        """(rows, size) innovations as the simulator draws them, of variance 1."""
        count = rows * size
        start = int(self._rng.integers(max(self._pool.size - count, 1)))
        if count > self._pool.size:
            return np.resize(self._pool, (rows, size))
        return self._pool[start : start + count].reshape(rows, size)

    def draw(self, expected: Floats, own: Floats, yea: Bools, asked: Asked) -> tuple[Floats, Floats]:
        """Innovations (5, n) and their log-weights (n,).

        Args:
            expected: (4, n) what would be felt without innovations.
            own: (n,) standard deviation of the innovations on the scale of what is felt.
            yea: (n,) who marks everything high.
            asked: what the form asks for.
        """
        drawn = np.empty((5, own.size), np.float32)
        row = yea.astype(np.intp)
        tail = self.blind(5, own.size)
        blind = self._rng.random(own.size, dtype=np.float32) < _BLIND
        doubt = asked.variance.astype(np.float32).T[:, row]
        gap = asked.mean.astype(np.float32).T[:, row] - expected
        shared, apart = own * self._sums.shared, own * self._sums.apart
        reach = np.array([1.0, 1.0, 1.0, 1.0 + OVERALL_NOISE], np.float32)[:, None]
        spread = np.array([1.0, 1.0, 1.0, 1 / 3 + OVERALL_NOISE**2], np.float32)[:, None]
        pull = reach * shared / (doubt + spread * apart * apart)
        drawn[COMMON], log = self._toward(
            tail[COMMON], blind, (pull * gap).sum(axis=0), (pull * reach * shared).sum(axis=0)
        )
        gap -= reach * shared * drawn[COMMON]
        for part in range(3):
            weight = apart / doubt[part]
            drawn[part], more = self._toward(tail[part], blind, weight * gap[part], weight * apart)
            log += more
        last = np.float32(OVERALL_NOISE) * apart
        left = gap[3] - apart * drawn[:3].sum(axis=0) / np.float32(3)
        drawn[3], more = self._toward(tail[3], blind, last * left / doubt[3], last * last / doubt[3])
        log += more
        # log is of guided over blind; weights are of blind over both kinds of draws together.
        return drawn, -np.logaddexp(np.log(1 - _BLIND) + log, np.log(_BLIND))

    def _toward(self, tail: Floats, blind: Bools, pull: Floats, precision: Floats) -> tuple[Floats, Floats]:
        """Draws (n,) around what the form asks for, and how much likelier than blindly (n,), as logs."""
        stray = self._rng.random(pull.size, dtype=np.float32) < _STRAY
        near, far = precision + np.float32(1), precision + _STRAY_PRECISION
        near_sd, far_sd = 1 / np.sqrt(near), 1 / np.sqrt(far)
        near_at, far_at = pull / near, pull / far
        value = np.where(stray, far_at + far_sd * tail, near_at + near_sd * tail)
        np.copyto(value, tail, where=blind)
        close, wide = (value - near_at) / near_sd, (value - far_at) / far_sd
        guided = (1 - _STRAY) * self._density(close) / near_sd + _STRAY * self._density(wide) / far_sd
        log: Floats = np.log(guided / self._density(value))
        return value, log

    def _density(self, value: Floats) -> Floats:
        """Up to a constant, which cancels out."""
        base = 1 + value * value / (self._tail - 2)
        density: Floats = np.exp(-(self._tail + 1) / 2 * np.log(base))
        return density
