"""Proposes for each particle whether a rupture or a bad day begins at a session, with the form in view.

Each particle gets several candidates: no event, ruptures that begin, bad days. One of them is sampled by its
approximate fit to the form, under a t approximation of the likelihood, and the particle's weight corrects
for that, so the approximation costs precision but no bias. The traits are sampled likewise at the first form.
"""

from dataclasses import dataclass, fields, replace

import numpy as np
from numpy.typing import NDArray

from lab.optimal_filter.form_likelihood import LOADING, FormLikelihood, approximate_likelihood
from lab.optimal_filter.observation_model import FormMoments
from lab.optimal_filter.particles import TRAITS, Bools, Floats, Precomputed
from lab.simulator.ruptures import Onsets, draw_bad_days, draw_onsets

CANDIDATES = 3
"""Ruptures per particle, and bad days per particle."""
_BOOST, _MAX_BOOSTED = 8.0, (0.25, 0.15)
"""Ruptures and bad days are proposed up to eight times as often as they occur, up to these probabilities."""
_MIN_PROBABILITY = 1e-30
_UNGUIDED_SHARE = 0.15
"""Share of draws that ignore the form, so that weights are bounded."""
_POOL = 1 << 14
_TRAIT_CANDIDATES = 8


class EventSampler:
    """Samples events and traits for the particles of one world's clients."""

    def __init__(self, rng: np.random.Generator, precomputed: Precomputed) -> None:
        """Draw a pool of possible onsets and bad days; candidates are taken from it."""
        self._rng, self._precomputed = rng, precomputed
        self._parameters = precomputed.world.ruptures
        self._onsets = draw_onsets(rng, self._parameters, _POOL)
        first = self._onsets.weights * (self._onsets.depth / self._onsets.ramp)[:, None]
        self._onset_fall: Floats = np.ascontiguousarray(first.T, dtype=np.float32)
        bad_days = draw_bad_days(rng, self._parameters, np.ones(_POOL, dtype=np.bool_))
        self._bad_day_fall: Floats = np.ascontiguousarray(bad_days.T, dtype=np.float32)

    def proposals(
        self, likelihood: FormLikelihood | None, expected: Floats, own_sd: Floats
    ) -> "EventProposals":
        """Return which ruptures and bad days fit the form, judged for all particles together.

        Args:
            likelihood: of the form; None when there is none.
            expected: (4, n) the alliance as felt without any fall.
            own_sd: (n,) standard deviation of the innovations.
        """
        if likelihood is None:
            return EventProposals(None, None)
        middle = expected.mean(axis=1, keepdims=True)
        variance = (1 / likelihood.precision).mean(axis=1, keepdims=True) + expected.var(
            axis=1, keepdims=True
        )
        precision = 1 / variance
        common = np.float32((own_sd * own_sd).mean()) * self._precomputed.common_weight**2
        information = (precision * LOADING * LOADING).sum(axis=0)
        pooled = replace(
            likelihood,
            precision=precision,
            common=common / (1 + common * information),
            mean=likelihood.mean.mean(axis=1, keepdims=True),
            log_scale=np.zeros(1, np.float32),
        )
        pools = (self._onset_fall, self._bad_day_fall)
        return EventProposals(
            *(_WeightedPool(self._rng, pooled.log_fit(_lowered(middle, pool))) for pool in pools)
        )

    def _candidates(self, proposals: "EventProposals", fall: Floats) -> "_Candidates":
        size = fall.shape[1]
        ruptures = [self._from_pool(proposals.ruptures, size) for _ in range(CANDIDATES)]
        days = [self._from_pool(proposals.bad_days, size) for _ in range(CANDIDATES)]
        falls = [fall]
        falls += [np.maximum(fall, self._onset_fall.take(which, axis=1)) for which, _ in ruptures]
        bad_days = [self._bad_day_fall.take(which, axis=1) for which, _ in days]
        falls += [np.maximum(fall, bad_day) for bad_day in bad_days]
        falls.append(np.maximum(falls[1], bad_days[0]))
        ratios = [ratio for _, ratio in (*ruptures, *days)]
        importance = np.stack([np.ones(size), *ratios, ratios[0] * ratios[CANDIDATES]])
        return _Candidates([which for which, _ in ruptures], bad_days, falls, importance)

    def _from_pool(
        self, pool: "_WeightedPool | None", size: int
    ) -> tuple[NDArray[np.intp], NDArray[np.float64]]:
        if pool is None:
            positions = (np.arange(size) + int(self._rng.integers(_POOL))) % _POOL
            return positions, np.ones(size)
        return pool.draw(size)

    def _boosted(self, onset: NDArray[np.float64]) -> NDArray[np.float64]:
        bad_day = self._parameters.bad_day
        max_onset, max_bad_day = _MAX_BOOSTED
        return _candidate_probabilities(
            np.maximum(onset, np.minimum(_BOOST * onset, max_onset)),
            np.full(onset.size, max(bad_day, min(_BOOST * bad_day, max_bad_day))),
        )

    def log_predictive(
        self,
        proposals: "EventProposals",
        likelihood: FormLikelihood,
        expected: Floats,
        fall: Floats,
        onset: NDArray[np.float64],
    ) -> NDArray[np.float64]:
        """Return (n,) approximately log P(form), summed over the candidates; arguments as of `sample`."""
        candidates = self._candidates(proposals, fall)
        log = np.stack([likelihood.log_fit(_lowered(expected, lowered)) for lowered in candidates.falls])
        highest = log.max(axis=0)
        weighted = self._boosted(onset) * candidates.importance * np.exp(log - highest)
        predictive: NDArray[np.float64] = highest + np.log(weighted.sum(axis=0))
        return predictive

    def sample(
        self,
        proposals: "EventProposals",
        likelihood: FormLikelihood | None,
        expected: Floats,
        fall: Floats,
        onset: NDArray[np.float64],
    ) -> "SampledEvents":
        """Sample what begins at this session.

        Args:
            proposals: for this form.
            likelihood: of the form; None when there is none.
            expected: (4, n) the alliance as felt without any fall.
            fall: (3, n) of ruptures that began earlier.
            onset: (n,) P(a rupture begins).
        """
        size = onset.size
        candidates = self._candidates(proposals, fall)
        prior = (
            _candidate_probabilities(onset, np.full(size, self._parameters.bad_day)) * candidates.importance
        )
        proposed = self._boosted(onset) * candidates.importance
        if likelihood is not None:
            log = np.stack([likelihood.log_fit(_lowered(expected, lowered)) for lowered in candidates.falls])
            fitting = proposed * np.exp(log - log.max(axis=0))
            proposed = (1 - _UNGUIDED_SHARE) * fitting / fitting.sum(
                axis=0
            ) + _UNGUIDED_SHARE * proposed / proposed.sum(axis=0)
        cumulative = proposed.cumsum(axis=0)
        which = (self._rng.random(size) * cumulative[-1] >= cumulative).sum(axis=0)
        both = len(candidates.falls) - 1
        which = np.minimum(which, both)
        column = np.arange(size)
        share = proposed[which, column] / cumulative[-1]
        begins = (which >= 1) & (which <= CANDIDATES) | (which == both)
        rupture = np.where(which == both, 0, which - 1)[begins]
        onset_index = np.stack(candidates.ruptures)[rupture, column[begins]]
        day = np.where(which == both, 0, np.maximum(which - 1 - CANDIDATES, 0))
        return SampledEvents(
            fall=np.stack(candidates.falls)[which, :, column].T,
            bad_day=np.where(
                which > CANDIDATES, np.stack(candidates.bad_days)[day, :, column].T, np.float32(0)
            ),
            begins=begins,
            onsets=Onsets(*(getattr(self._onsets, field.name)[onset_index] for field in fields(Onsets))),
            log_weight=np.log(
                np.maximum(prior[which, column] / np.maximum(share, _MIN_PROBABILITY), _MIN_PROBABILITY)
            ),
        )

    def sample_traits(self, yea_sayer: Bools, moments: FormMoments) -> tuple[Floats, NDArray[np.float64]]:
        """Sample traits (6, n) that fit the first form, and return them with their log-weights (n,)."""
        size, precomputed, rng = yea_sayer.size, self._precomputed, self._rng
        chosen = np.zeros((TRAITS, size), np.float32)
        chosen_log = np.full(size, -np.inf)
        total = np.full(size, -np.inf)
        nothing = np.zeros((5, size), np.float32)
        for _ in range(_TRAIT_CANDIDATES):
            candidate = rng.standard_normal((TRAITS, size), dtype=np.float32)
            static = precomputed.static_traits(candidate)
            expected = precomputed.felt(static, 0, nothing, nothing[:3])
            likelihood = approximate_likelihood(precomputed, static.own_sd, yea_sayer, moments)
            log = likelihood.log_fit(expected).astype(np.float64)
            total = np.logaddexp(total, log)
            is_taken = np.log(rng.random(size)) < log - total
            np.copyto(chosen, candidate, where=is_taken)
            np.copyto(chosen_log, log, where=is_taken)
        return chosen, total - np.log(_TRAIT_CANDIDATES) - chosen_log


class _WeightedPool:
    """Draws elements of a pool, mostly those that fit the form."""

    def __init__(self, rng: np.random.Generator, log_fit: Floats) -> None:
        fit = np.exp(log_fit - log_fit.max(), dtype=np.float64)
        probability = (1 - _UNGUIDED_SHARE) * fit / fit.sum() + _UNGUIDED_SHARE / log_fit.size
        self._rng, self._importance = rng, 1 / (probability * log_fit.size)
        self._cumulative = np.cumsum(probability)
        self._sorted = np.empty(0, dtype=np.intp)

    def draw(self, size: int) -> tuple[NDArray[np.intp], NDArray[np.float64]]:
        """Draw positions in the pool (size,), and return them with prior over proposal probability."""
        if self._sorted.size != size:
            points = (np.arange(size) + self._rng.random(size)) / size * self._cumulative[-1]
            self._sorted = np.minimum(np.searchsorted(self._cumulative, points), self._cumulative.size - 1)
        # Particles are in random order, so rotating the draws is as good as drawing again.
        which = np.roll(self._sorted, int(self._rng.integers(size)))
        return which, self._importance[which]


@dataclass(frozen=True, slots=True)
class EventProposals:
    """Distributions to propose events from; None stands for the prior."""

    ruptures: _WeightedPool | None
    bad_days: _WeightedPool | None


@dataclass(frozen=True, slots=True)
class _Candidates:
    """In the order: no event, `CANDIDATES` ruptures, `CANDIDATES` bad days, a rupture and a bad day."""

    ruptures: list[NDArray[np.intp]]
    """(n,) each: positions in the pool of onsets."""
    bad_days: list[Floats]
    """(3, n) each."""
    falls: list[Floats]
    """(3, n) for every candidate."""
    importance: NDArray[np.float64]
    """(candidates, n) prior over proposal probability of its draws from the pools."""


@dataclass(frozen=True, slots=True)
class SampledEvents:
    """What was sampled for n particles."""

    fall: Floats
    """(3, n) how far ruptures and bad days together lower each component."""
    bad_day: Floats
    """(3, n) how far bad days alone do."""
    begins: Bools
    """(n,) a rupture begins."""
    onsets: Onsets
    """One for each that begins."""
    log_weight: NDArray[np.float64]
    """(n,) log of prior over proposal probability."""


def _candidate_probabilities(
    rupture: NDArray[np.float64], bad_day: NDArray[np.float64]
) -> NDArray[np.float64]:
    """Return (candidates, n) prior probabilities, in the order of `_Candidates`."""
    per_rupture, per_day = rupture * (1 - bad_day) / CANDIDATES, (1 - rupture) * bad_day / CANDIDATES
    return np.stack(
        [
            (1 - rupture) * (1 - bad_day),
            *[per_rupture] * CANDIDATES,
            *[per_day] * CANDIDATES,
            rupture * bad_day,
        ]
    )


def _lowered(expected: Floats, fall: Floats) -> Floats:
    lowered: Floats = np.empty((4, fall.shape[1]), np.float32)
    np.subtract(expected[:3], fall, out=lowered[:3])
    np.subtract(expected[3], fall.sum(axis=0) / np.float32(3), out=lowered[3])
    return lowered
