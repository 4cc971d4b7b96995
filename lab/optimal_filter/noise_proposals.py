"""Proposes a session's noise with the form in view, and weighs it against the simulator's distribution.

Noise drawn from the prior would rarely explain the form. It is therefore drawn around what the form asks
for, from t distributions with the prior's degrees of freedom, and weighed by prior over proposal density.
Some draws take the noise's standard deviation to be about three times as large, because a single
outlying session is either large noise or a fall, and both need enough particles. A poor proposal increases
the variance of the weights, not their expectation (importance sampling; Chopin & Papaspiliopoulos 2020).
"""

import numpy as np

from lab.optimal_filter.form_likelihood import LOADING, SPREAD
from lab.optimal_filter.observation_model import FormMoments
from lab.optimal_filter.particles import COMMON, Bools, Floats, Precomputed
from lab.simulator.cohort import OVERALL_NOISE

_POOL = 1 << 19
_PRIOR_SHARE = np.float32(0.15)
"""Share of draws from the prior, so that no weight exceeds 1 / .15."""
_WIDE_SHARE = np.float32(0.25)
"""Share of the other draws from the wide distribution."""
_WIDE_PRECISION = np.float32(0.1)
"""Precision that the wide distribution takes the noise to have; the noise's own is 1."""


class NoiseProposal:
    """Draws one session's innovations (5, n), in the order of `Particles.noise`, for clients of one world."""

    def __init__(self, rng: np.random.Generator, precomputed: Precomputed) -> None:
        """Draw a pool of t-distributed numbers; later draws are contiguous parts of it."""
        self._rng, self._precomputed = rng, precomputed
        df = precomputed.world.degrees_of_freedom
        self._df = np.float32(df)
        pool = rng.standard_t(df, size=_POOL) * np.sqrt((df - 2) / df)
        self._pool: Floats = pool.astype(np.float32)

    def from_prior(self, rows: int, size: int) -> Floats:
        """Draw (rows, size) innovations of variance 1 as the simulator does."""
        count = rows * size
        start = int(self._rng.integers(max(self._pool.size - count, 1)))
        if count > self._pool.size:
            return np.resize(self._pool, (rows, size))
        return self._pool[start : start + count].reshape(rows, size)

    def draw(
        self, expected: Floats, own_sd: Floats, yea_sayer: Bools, moments: FormMoments
    ) -> tuple[Floats, Floats]:
        """Draw innovations (5, n), and return them with their log-weights (n,).

        Args:
            expected: (4, n) the alliance as felt without innovations.
            own_sd: (n,) standard deviation of the innovations on the scale of what is felt.
            yea_sayer: (n,)
            moments: of the felt components given the form.
        """
        drawn = np.empty((5, own_sd.size), np.float32)
        row = yea_sayer.astype(np.intp)
        prior = self.from_prior(5, own_sd.size)
        from_prior = self._rng.random(own_sd.size, dtype=np.float32) < _PRIOR_SHARE
        variance = moments.variance.astype(np.float32).T[:, row]
        gap = moments.mean.astype(np.float32).T[:, row] - expected
        common, own = own_sd * self._precomputed.common_weight, own_sd * self._precomputed.own_weight
        pull = LOADING * common / (variance + SPREAD * own * own)
        drawn[COMMON], log = self._toward(
            prior[COMMON], from_prior, (pull * gap).sum(axis=0), (pull * LOADING * common).sum(axis=0)
        )
        gap -= LOADING * common * drawn[COMMON]
        for part in range(3):
            weight = own / variance[part]
            drawn[part], more = self._toward(prior[part], from_prior, weight * gap[part], weight * own)
            log += more
        last = np.float32(OVERALL_NOISE) * own
        left = gap[3] - own * drawn[:3].sum(axis=0) / np.float32(3)
        drawn[3], more = self._toward(
            prior[3], from_prior, last * left / variance[3], last * last / variance[3]
        )
        log += more
        # `log` is of guided over prior density; weights are of the prior over the mixture of both.
        return drawn, -np.logaddexp(np.log(1 - _PRIOR_SHARE) + log, np.log(_PRIOR_SHARE))

    def _toward(
        self, prior: Floats, from_prior: Bools, pull: Floats, precision: Floats
    ) -> tuple[Floats, Floats]:
        """Draw (n,) around what the form asks for; return them and (n,) log guided over prior density."""
        is_wide = self._rng.random(pull.size, dtype=np.float32) < _WIDE_SHARE
        near, wide = precision + np.float32(1), precision + _WIDE_PRECISION
        near_sd, wide_sd = 1 / np.sqrt(near), 1 / np.sqrt(wide)
        near_mean, wide_mean = pull / near, pull / wide
        value = np.where(is_wide, wide_mean + wide_sd * prior, near_mean + near_sd * prior)
        np.copyto(value, prior, where=from_prior)
        near_z, wide_z = (value - near_mean) / near_sd, (value - wide_mean) / wide_sd
        guided = (1 - _WIDE_SHARE) * self._density(near_z) / near_sd + _WIDE_SHARE * self._density(
            wide_z
        ) / wide_sd
        log: Floats = np.log(guided / self._density(value))
        return value, log

    def _density(self, value: Floats) -> Floats:
        """Return the t density up to a constant, which cancels out."""
        base = 1 + value * value / (self._df - 2)
        density: Floats = np.exp(-(self._df + 1) / 2 * np.log(base))
        return density
