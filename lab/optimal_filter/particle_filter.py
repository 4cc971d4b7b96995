"""Computes P(rupture | forms so far) given the simulator's true parameters, by a particle filter.

This is the upper bound for any detector that sees one client's forms: the filter knows the cohort's own
parameters, including how its items differ. Each particle is a possible client. It moves from session to
session as the simulator's clients do, and is weighted by the probability of its form and of its presence.
Events and noise are proposed with the form in view (`event_proposals`, `noise_proposals`), the particles are
resampled systematically before and after each form (an auxiliary particle filter; Pitt & Shephard 1999), and
MCMC moves rejuvenate them (`mcmc_moves`). Background: Chopin & Papaspiliopoulos (2020), An Introduction to
Sequential Monte Carlo.
"""

from collections.abc import Callable
from dataclasses import fields

import numpy as np
from numpy.typing import NDArray

from lab.optimal_filter.event_proposals import EventProposals, EventSampler
from lab.optimal_filter.form_likelihood import FormLikelihood, approximate_likelihood
from lab.optimal_filter.mcmc_moves import McmcMoves
from lab.optimal_filter.noise_proposals import NoiseProposal
from lab.optimal_filter.observation_model import FormTableBuilder, FormTables
from lab.optimal_filter.particles import TRAITS, Particles, Precomputed
from lab.simulator.cohort import Cohort, decline_probability, drop_out_probability
from lab.simulator.ruptures import (
    RuptureStates,
    advance,
    close_and_measure,
    initial_states,
    onset_probability,
    start_ruptures,
)
from lab.simulator.world import World

Floats = NDArray[np.float64]
Floats32 = NDArray[np.float32]
Bools = NDArray[np.bool_]

PARTICLES = 4_000
_INITIAL_FACTOR = 2
"""Factor of the number of particles at the first form, which informs most about the traits.

Their number halves at each later form until it is the one asked for.
"""
_MIN_PROBABILITY = 1e-300
_BOOST = 8.0
"""Yea-sayers are proposed up to this many times as often as they occur."""
_LONG_RUPTURE = 2
"""Sessions since onset."""
_MIN_SHARE, _MAX_BOOST = 0.2, 30.0
"""Resampling gives each fate at least this share of the particles, up to this many times its weight."""
_TRAIT_MOVES = 1
_EARLIER_SESSIONS = 2
"""Earlier sessions whose noise is moved after each form, besides the last one."""


def _boosted_draw(rng: np.random.Generator, probability: Floats, at_most: float) -> tuple[Bools, Floats]:
    """Draw events (n,) more often than their probability (n,), and return them with their log-weights."""
    proposed = np.maximum(probability, np.minimum(_BOOST * probability, at_most))
    happens = rng.random(probability.size) < proposed
    weight = np.where(
        happens, probability / np.maximum(proposed, _MIN_PROBABILITY), (1 - probability) / (1 - proposed)
    )
    return happens, np.log(np.maximum(weight, _MIN_PROBABILITY))


class OptimalFilter:
    """The particle filter for clients of one world."""

    def __init__(self, rng: np.random.Generator, world: World) -> None:
        self._rng, self._world = rng, world
        self._precomputed = Precomputed(world)
        self._events = EventSampler(rng, self._precomputed)
        self._noise = NoiseProposal(rng, self._precomputed)
        self._moves = McmcMoves(rng, self._precomputed, world)

    def filter(self, forms: list[FormTables | None], particles: int = PARTICLES) -> Floats:
        """Return (t,) P(a rupture is under way | forms so far) for one client; None is a declined form."""
        population = self._initial(_INITIAL_FACTOR * particles, len(forms))
        risk = np.empty(len(forms))
        for session, form in enumerate(forms):
            proposals = None
            if session > 0 and form is not None:
                population, proposals = self._preselect(population, session, form)
            under_way = self._propagate(population, session, form, proposals)
            declines = decline_probability(self._world, np.array(session), under_way)
            probability = declines if form is None else 1 - declines
            population.log_weight += np.log(np.maximum(probability, _MIN_PROBABILITY))
            population.log_weight -= population.log_weight.max()
            weight = np.exp(population.log_weight)
            weight /= weight.sum()
            risk[session] = weight @ under_way
            count = max(particles, weight.size // 2)
            if session + 1 < len(forms):
                population = self._resample(population, weight, count, session + 1)
                self._rejuvenate(population, session, forms)
        return np.clip(risk, 0.0, 1.0)

    def _preselect(
        self, particles: Particles, session: int, form: FormTables
    ) -> tuple[Particles, EventProposals]:
        """Resample by how well each particle can explain the coming form; weights correct for that."""
        precomputed = self._precomputed
        static = precomputed.static_traits(particles.traits)
        carried = particles.noise[session - 1] * precomputed.autocorrelation
        expected = precomputed.felt(static, session, carried, np.zeros((3, particles.size), np.float32))
        own_sd = precomputed.innovation_sd * static.own_sd
        likelihood = approximate_likelihood(precomputed, own_sd, particles.yea_sayer, form.moments)
        states = RuptureStates(
            *(getattr(particles.ruptures, field.name).copy() for field in fields(RuptureStates))
        )
        onset = onset_probability(self._world.ruptures, states)
        advance(states)
        fall = np.ascontiguousarray(close_and_measure(states)[0].T, dtype=np.float32)
        proposals = self._events.proposals(likelihood, expected, own_sd)
        log = self._events.log_predictive(proposals, likelihood, expected, fall, onset)
        weight = np.exp(particles.log_weight + log - (particles.log_weight + log).max())
        selected = self._resample(particles, weight / weight.sum(), particles.size, session, -log)
        return selected, proposals

    def _resample(
        self,
        particles: Particles,
        weight: Floats,
        count: int,
        sessions: int,
        log_correction: Floats | float = 0.0,
    ) -> Particles:
        """Return `count` particles in proportion to their weight, but with enough of each fate.

        The fates are: no rupture, a recent one, a long one. The probability of a long rupture rests on a
        comparison with a lower level over many sessions, which too few particles of either would leave to
        chance. Weights correct for the shares; `log_correction` (n,) is added to them.
        """
        states = particles.ruptures
        fate = np.where(states.active, 1 + (states.age >= _LONG_RUPTURE), 0)
        mass = np.bincount(fate, weights=weight, minlength=3)
        target = np.maximum(mass, np.minimum(_MIN_SHARE, _MAX_BOOST * mass))
        boost = (target / np.maximum(mass, _MIN_PROBABILITY))[fate]
        boost /= boost @ weight
        which = self._systematic(weight * boost, count)
        resampled = particles.select(which, sessions)
        resampled.log_weight = (log_correction - np.log(np.maximum(boost, _MIN_PROBABILITY)))[which]
        return resampled

    def _initial(self, size: int, sessions: int) -> Particles:
        yea_sayer, log_weight = _boosted_draw(self._rng, np.full(size, self._world.yea_sayers), 0.3)
        # Each particle has a therapist of its own: the forms of the therapist's other clients are not used.
        return Particles(
            traits=self._rng.standard_normal((TRAITS, size), dtype=np.float32),
            yea_sayer=yea_sayer,
            noise=np.zeros((sessions, 5, size), np.float32),
            fall=np.zeros((sessions, 3, size), np.float32),
            rupture_share=np.zeros((sessions, size), np.float32),
            other_fall=np.zeros((sessions, 3, size), np.float32),
            form_log_likelihood=np.zeros((sessions, size), np.float32),
            ruptures=initial_states(size),
            unrepaired=np.zeros(size, dtype=np.bool_),
            log_weight=log_weight,
        )

    def _propagate(
        self, particles: Particles, session: int, form: FormTables | None, proposals: EventProposals | None
    ) -> Bools:
        """Move to the next session, weigh by the form, and return (n,) whether a rupture is under way."""
        world, precomputed, size = self._world, self._precomputed, particles.size
        if session == 0 and form is not None:
            particles.traits, weight = self._events.sample_traits(particles.yea_sayer, form.moments)
            particles.log_weight += weight
        static = precomputed.static_traits(particles.traits)
        carried = particles.noise[0]
        if session:
            carried = particles.noise[session - 1] * precomputed.autocorrelation
        own_sd = static.own_sd * (precomputed.innovation_sd if session else np.float32(1))
        likelihood = None
        if form is not None:
            likelihood = approximate_likelihood(precomputed, own_sd, particles.yea_sayer, form.moments)
        expected = precomputed.felt(static, session, carried, np.zeros((3, size), np.float32))
        proposals = proposals or self._events.proposals(likelihood, expected, own_sd)
        under_way = self._propagate_ruptures(particles, session, proposals, likelihood, expected)
        if form is None:
            scale = precomputed.innovation_sd if session else np.float32(1)
            particles.noise[session] = carried + scale * self._noise.from_prior(5, size)
            return under_way
        expected = precomputed.felt(static, session, carried, particles.fall[session])
        innovations, log_weight = self._noise.draw(expected, own_sd, particles.yea_sayer, form.moments)
        particles.noise[session] = carried + (own_sd / static.own_sd) * innovations
        felt = precomputed.felt(static, session, particles.noise[session], particles.fall[session])
        form_log_likelihood = form.log_likelihood(world, felt, particles.yea_sayer)
        particles.form_log_likelihood[session] = form_log_likelihood
        particles.log_weight += log_weight
        particles.log_weight += form_log_likelihood
        return under_way

    def _propagate_ruptures(
        self,
        particles: Particles,
        session: int,
        proposals: EventProposals,
        likelihood: FormLikelihood | None,
        expected: Floats32,
    ) -> Bools:
        """Set the fall of this session, and return (n,) whether a rupture is under way."""
        states, size = particles.ruptures, particles.size
        onset, fall, under_way = np.zeros(size), np.zeros((size, 3)), np.zeros(size, dtype=np.bool_)
        if session > 0:
            stayed = 1 - drop_out_probability(self._world, particles.unrepaired)
            particles.log_weight += np.log(np.maximum(stayed, _MIN_PROBABILITY))
            onset = onset_probability(self._world.ruptures, states)
            advance(states)
            fall, under_way = close_and_measure(states)
        ongoing = np.ascontiguousarray(fall.T, dtype=np.float32)
        events = self._events.sample(proposals, likelihood, expected, ongoing, onset)
        start_ruptures(states, events.begins, events.onsets)
        states.pause[events.begins] = 1
        under_way |= events.begins
        particles.unrepaired = under_way & states.lasting
        particles.fall[session] = events.fall
        particles.other_fall[session] = events.bad_day
        share = fall.max(axis=1) / np.maximum(states.depth, _MIN_PROBABILITY)
        particles.rupture_share[session] = np.where(events.begins, 1 / states.ramp, share)
        earlier = slice(0, session), slice(None), events.begins
        particles.other_fall[earlier] = particles.fall[earlier]
        particles.rupture_share[:session, events.begins] = 0
        particles.log_weight += events.log_weight
        return under_way

    def _rejuvenate(self, particles: Particles, session: int, forms: list[FormTables | None]) -> None:
        sessions = session + 1
        earlier = self._rng.permutation(session)[:_EARLIER_SESSIONS].tolist()
        for moved in (session, *earlier):
            self._moves.session(particles, moved, sessions, forms[moved])
        for _ in range(_TRAIT_MOVES):
            self._moves.traits(particles, sessions)
            self._moves.depth(particles, sessions)
        self._moves.repair_times(particles)

    def _systematic(self, weight: Floats, count: int) -> NDArray[np.intp]:
        """Return (count,) indices by systematic resampling, in random order."""
        points = (np.arange(count) + self._rng.random()) / count
        which = np.minimum(np.searchsorted(np.cumsum(weight), points), weight.size - 1)
        self._rng.shuffle(which)
        return which


def optimal_risk(
    cohort: Cohort, seed: int = 0, particles: int = PARTICLES, progress: Callable[[int], None] | None = None
) -> Floats:
    """Return (n, t) the optimal filter's risk at every session that took place, NaN elsewhere.

    The same cohort, seed and number of particles give the same risks. `progress` gets the number of clients
    done.

    Raises:
        TypeError: the cohort is of the second family, whose courses the filter does not know.
    """
    world = cohort.world
    if not isinstance(world, World):
        raise TypeError("the optimal filter knows the courses of the first family of worlds only")
    builder = FormTableBuilder(world, cohort.item_offsets)
    optimal_filter = OptimalFilter(np.random.default_rng([seed, 0]), world)
    risk = np.full(cohort.present.shape, np.nan)
    for client in range(len(risk)):
        times = np.nonzero(cohort.present[client])[0].tolist()
        forms = [
            None if cohort.declined[client, t] else builder.tables(cohort.marks[client, t]) for t in times
        ]
        risk[client, times] = optimal_filter.filter(forms, particles)
        if progress is not None:
            progress(client + 1)
    return risk
