"""Moves particles by Metropolis-Hastings steps that leave their posterior distribution unchanged.

Repeated resampling leaves few distinct values, most of all of what was drawn early (the traits). These moves
restore diversity (resample-move; Gilks & Berzuini 2001). There are moves of the traits that keep the alliance
as felt, of the latest rupture's depth, and of the noise at single sessions that keep the traits.
"""

import numpy as np

from lab.optimal_filter.observation_model import FormTables
from lab.optimal_filter.particles import COMMON, TRAITS, Bools, Floats, Particles, Precomputed, StaticTraits
from lab.simulator.cohort import OVERALL_NOISE
from lab.simulator.instruments import OVERALL, item_components
from lab.simulator.ruptures import DEPTH_BOUNDS, MIN_WEIGHT, QUICK_RECOVERY
from lab.simulator.world import World

_EDGE = 1e-6
_MIN_SCALE, _MAX_SCALE = 0.25, 1.3
"""Factors of the step size, drawn log-uniformly for each particle."""


class McmcMoves:
    """Moves particles of one world's clients, in place."""

    def __init__(self, rng: np.random.Generator, precomputed: Precomputed, world: World) -> None:
        self._rng, self._precomputed, self._world = rng, precomputed, world
        self._rated_components = 4 if OVERALL in item_components(world.instrument) else 3
        common = world.common
        self._common_sd = np.float32(1 / np.sqrt(1 + 4 * common / (1 - common)))

    def _scales(self, size: int) -> Floats:
        low, high = np.log(_MIN_SCALE), np.log(_MAX_SCALE)
        drawn = self._rng.random(size, dtype=np.float32)
        scales: Floats = np.exp(np.float32(low) + np.float32(high - low) * drawn)
        return scales

    def _accept(self, log_ratio: Floats) -> Bools:
        draws = self._rng.random(log_ratio.size, dtype=np.float32)
        accepted: Bools = np.log(draws + np.float32(1e-30)) < log_ratio
        return accepted

    def traits(self, particles: Particles, sessions: int) -> None:
        """Move the traits along the difference of two other particles; the alliance as felt stays.

        This is the step of differential evolution MCMC (ter Braak 2006).
        """
        size, rng = particles.size, self._rng
        first, second = rng.integers(1, size, 2).tolist()
        shift = np.roll(particles.traits, first, axis=1) - np.roll(particles.traits, second, axis=1)
        shift *= self._scales(size) * np.float32(2.38 / np.sqrt(2 * TRAITS))
        self._propose(particles, sessions, particles.traits + shift, None, None)

    def _propose(
        self,
        particles: Particles,
        sessions: int,
        traits: Floats,
        fall: Floats | None,
        log_ratio: Floats | None,
    ) -> Bools:
        """Move to other traits (6, n) and another fall (t, 3, n) where that is accepted; return where (n,).

        The alliance as felt stays: the noise makes up for the difference. `log_ratio` (n,) is added to the
        logarithm of the acceptance ratio.
        """
        old, noise = particles.traits, particles.noise[:sessions]
        before, after = self._precomputed.static_traits(old), self._precomputed.static_traits(traits)
        moved = self._compensating_noise(noise, before, after)
        if fall is not None:
            moved[:, :3] += (fall - particles.fall[:sessions]) / (after.own_sd * self._precomputed.own_weight)
        log = np.float32(0.5) * ((old * old).sum(axis=0) - (traits * traits).sum(axis=0))
        log += self._precomputed.log_noise(moved) - self._precomputed.log_noise(noise)
        log += np.float32(self._rated_components * sessions) * np.log(before.own_sd / after.own_sd)
        if log_ratio is not None:
            log += log_ratio
        accepted = self._accept(log)
        np.copyto(particles.traits, traits, where=accepted)
        np.copyto(noise, moved, where=accepted)
        if fall is not None:
            np.copyto(particles.fall[:sessions], fall, where=accepted)
        return accepted

    def _compensating_noise(self, noise: Floats, before: StaticTraits, after: StaticTraits) -> Floats:
        """Return the noise (t, 5, n) with which other traits give the same felt alliance."""
        precomputed = self._precomputed
        ratio = before.own_sd / after.own_sd
        moved = noise * ratio
        common = noise[:, COMMON : COMMON + 1]
        moved += (ratio - 1) * (precomputed.common_weight / precomputed.own_weight) * common
        # Without an overall item, the overall alliance is not observed: its noise stays as it is.
        moved[:, self._rated_components :] = noise[:, self._rated_components :]
        scale = 1 / (after.own_sd * precomputed.own_weight)
        offsets = before.offsets - after.offsets
        for session in range(noise.shape[0]):
            level = precomputed.level(before, session) - precomputed.level(after, session)
            moved[session, :3] += (offsets + level) * scale
        return moved

    def depth(self, particles: Particles, sessions: int) -> None:
        """Move the depth and the components of each latest rupture.

        In about 70 of 100 particles the person's level or the component offsets move along, so that the
        level during the rupture stays the same.
        """
        rng, size, states = self._rng, particles.size, particles.ruptures
        parameters = self._world.ruptures
        if not states.had_one.any() or parameters.depth_log_sd <= 0:
            return
        scale = self._scales(size)
        median, sd = np.float32(np.log(parameters.depth)), np.float32(parameters.depth_log_sd)
        old = states.depth.astype(np.float32)
        lowest, deepest = DEPTH_BOUNDS[0] + _EDGE, DEPTH_BOUNDS[1] - _EDGE
        movable = states.had_one & (old > lowest) & (old < deepest)
        z = (np.log(np.where(movable, old, 1)) - median) / sd
        new_z = z + scale * np.float32(0.4) * rng.standard_normal(size, dtype=np.float32)
        depth = np.exp(median + sd * new_z)
        movable &= (depth > lowest) & (depth < deepest)
        weights = states.weights.T.astype(np.float32)
        free = (weights > 0) & (weights < 1)
        step = np.float32(0.2) * scale * rng.standard_normal((3, size), dtype=np.float32)
        new_weights = np.where(free, weights + step, weights)
        movable &= ((new_weights > MIN_WEIGHT) & (new_weights < 1) | ~free).all(axis=0)
        new_fall = depth * new_weights
        fall = np.maximum(
            particles.rupture_share[:sessions, None] * new_fall, particles.other_fall[:sessions]
        )
        deeper = new_fall - old * weights
        traits = particles.traits.copy()
        compensation = rng.random(size, dtype=np.float32)
        if self._precomputed.person_sd > 0:
            person = deeper.sum(axis=0) / 3 / self._precomputed.person_sd
            traits[0] += np.where(compensation < 0.35, person, 0)
        if self._world.component_sd > 0:
            offsets = deeper / np.float32(self._world.component_sd)
            traits[3:] += np.where(compensation > 0.65, offsets, 0)
        log_ratio = np.float32(0.5) * (z * z - new_z * new_z)
        log_ratio[~movable] = -np.inf
        accepted = self._propose(particles, sessions, traits, fall, log_ratio)
        states.depth[accepted] = depth[accepted]
        states.weights[accepted] = new_weights.T[accepted]

    def repair_times(self, particles: Particles) -> None:
        """Draw from the prior when ruptures at full depth end, and how: no form depends on it yet."""
        states, rng = particles.ruptures, self._rng
        is_open = states.active & ~states.lasting & (states.age >= states.ramp)
        is_open &= states.age < states.ramp + states.hold
        if is_open.any():
            count = int(is_open.sum())
            held = (states.age - states.ramp)[is_open]
            states.hold[is_open] = held + rng.geometric(1 / self._world.ruptures.hold, count)
            states.recovery[is_open] = np.where(rng.random(count) < QUICK_RECOVERY, 1, 2)

    def session(self, particles: Particles, session: int, sessions: int, form: FormTables | None) -> None:
        """Move the noise, and so the alliance as felt, at one of `sessions` sessions."""
        precomputed, size = self._precomputed, particles.size
        static = precomputed.static_traits(particles.traits)
        noise = particles.noise[session]
        step = self._rng.standard_normal((5, size), dtype=np.float32)
        step *= self._scales(size)
        step[COMMON] *= self._common_sd
        if form is not None:
            row = particles.yea_sayer.astype(np.intp)
            precision = 1 / form.moments.variance.astype(np.float32).T[:, row]
            own = static.own_sd * precomputed.own_weight
            precision *= own * own
            precision[3] *= np.float32(OVERALL_NOISE**2)
            step[:COMMON] /= np.sqrt(1 + precision)
        # The components' own noise makes up for the common step, so that only their own steps are felt.
        step[:COMMON] -= step[COMMON] * (precomputed.common_weight / precomputed.own_weight)
        new = noise + step
        log = precomputed.log_prior(self._innovations(particles, session, new)) - precomputed.log_prior(
            self._innovations(particles, session, noise)
        )
        if session + 1 < sessions:
            following = particles.noise[session + 1]
            carried, scale = precomputed.autocorrelation, precomputed.innovation_sd
            log += precomputed.log_prior((following - carried * new) / scale)
            log -= precomputed.log_prior((following - carried * noise) / scale)
        old_likelihood = particles.form_log_likelihood[session]
        if form is not None:
            felt = precomputed.felt(static, session, new, particles.fall[session])
            likelihood = form.log_likelihood(self._world, felt, particles.yea_sayer)
            log += likelihood - old_likelihood
        accepted = self._accept(log)
        np.copyto(noise, new, where=accepted)
        if form is not None:
            np.copyto(old_likelihood, likelihood, where=accepted)

    def _innovations(self, particles: Particles, session: int, noise: Floats) -> Floats:
        if session == 0:
            return noise
        carried = self._precomputed.autocorrelation * particles.noise[session - 1]
        innovations: Floats = (noise - carried) / self._precomputed.innovation_sd
        return innovations
