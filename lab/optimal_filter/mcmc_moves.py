"""Guesses in, the same guesses moved about out, without changing what they stand for as a whole.

Picking the likelier guesses over and over leaves few different ones, first of all in what was drawn long ago.
So each is moved by steps of Metropolis and Hastings, which leave the posterior as it is: traits, while
what was felt stays; and what was felt at single sessions, while traits stay.
"""

import numpy as np

from lab.optimal_filter.observation_model import FormTables
from lab.optimal_filter.particles import COMMON, TRAITS, Bools, Floats, Guesses, Steady, Sums
from lab.simulator.cohort import OVERALL_NOISE
from lab.simulator.instruments import OVERALL
from lab.simulator.ruptures import DEPTHS, LEAST_WEIGHT, QUICK_BACK
from lab.simulator.world import World

_EDGE = 1e-6
_SMALLEST, _LARGEST = 0.25, 1.3
"""Steps are so many times the spread there is; drawn for each guess."""


class Moves:
    """Moves guesses at clients of one world."""

    def __init__(self, rng: np.random.Generator, sums: Sums, world: World) -> None:
        self._rng, self._sums, self._world = rng, sums, world
        self._asked = 4 if OVERALL in world.shape.components else 3
        share = world.common
        self._common_sd = np.float32(1 / np.sqrt(1 + 4 * share / (1 - share)))

    def _scales(self, size: int) -> Floats:
        low, high = np.log(_SMALLEST), np.log(_LARGEST)
        drawn = self._rng.random(size, dtype=np.float32)
        scales: Floats = np.exp(np.float32(low) + np.float32(high - low) * drawn)
        return scales

    def _accepted(self, log_ratio: Floats) -> Bools:
        draws = self._rng.random(log_ratio.size, dtype=np.float32)
        accepted: Bools = np.log(draws + np.float32(1e-30)) < log_ratio
        return accepted

    def traits(self, guesses: Guesses, sessions: int) -> None:
        """Move what stays the same, along the difference of two other guesses; what was felt stays."""
        size, rng = guesses.size, self._rng
        one, other = rng.integers(1, size, 2).tolist()
        shift = np.roll(guesses.traits, one, axis=1) - np.roll(guesses.traits, other, axis=1)
        shift *= self._scales(size) * np.float32(2.38 / np.sqrt(2 * TRAITS))
        self._try(guesses, sessions, guesses.traits + shift, None, None)

    def _try(
        self, guesses: Guesses, sessions: int, new: Floats, down: Floats | None, more: Floats | None
    ) -> Bools:
        """Go over to other traits (6, n), and to what holds down (t, 3, n), where that is accepted: (n,).

        What was felt stays. `more` (n,) is added to the logarithm of how much likelier the new guess is.
        """
        old, noise = guesses.traits, guesses.noise[:sessions]
        before, after = self._sums.steady(old), self._sums.steady(new)
        moved = self._same_felt(noise, before, after)
        if down is not None:
            moved[:, :3] += (down - guesses.down[:sessions]) / (after.own_sd * self._sums.apart)
        log = np.float32(0.5) * ((old * old).sum(axis=0) - (new * new).sum(axis=0))
        log += self._sums.log_noise(moved) - self._sums.log_noise(noise)
        log += np.float32(self._asked * sessions) * np.log(before.own_sd / after.own_sd)
        if more is not None:
            log += more
        yes = self._accepted(log)
        np.copyto(guesses.traits, new, where=yes)
        np.copyto(noise, moved, where=yes)
        if down is not None:
            np.copyto(guesses.down[:sessions], down, where=yes)
        return yes

    def _same_felt(self, noise: Floats, before: Steady, after: Steady) -> Floats:
        """The noise (t, 5, n) with which other traits feel the same."""
        ratio = before.own_sd / after.own_sd
        moved = noise * ratio
        moved += (ratio - 1) * (self._sums.shared / self._sums.apart) * noise[:, COMMON : COMMON + 1]
        # An overall alliance that no form asks for is not felt: its noise stays as it is.
        moved[:, self._asked :] = noise[:, self._asked :]
        scale = 1 / (after.own_sd * self._sums.apart)
        offsets = before.offsets - after.offsets
        for session in range(noise.shape[0]):
            lower = self._sums.level(before, session) - self._sums.level(after, session)
            moved[session, :3] += (offsets + lower) * scale
        return moved

    def depth(self, guesses: Guesses, sessions: int) -> None:
        """Move depth and components of each latest rupture; in some, person or offsets make up for it."""
        rng, size, episodes = self._rng, guesses.size, guesses.episodes
        ruptures = self._world.ruptures
        if not episodes.had_one.any() or ruptures.depth_log_sd <= 0:
            return
        scale = self._scales(size)
        middle, sd = np.float32(np.log(ruptures.depth)), np.float32(ruptures.depth_log_sd)
        old = episodes.depth.astype(np.float32)
        within = episodes.had_one & (old > DEPTHS[0] + _EDGE) & (old < DEPTHS[1] - _EDGE)
        place = (np.log(np.where(within, old, 1)) - middle) / sd
        other = place + scale * np.float32(0.4) * rng.standard_normal(size, dtype=np.float32)
        depth = np.exp(middle + sd * other)
        within &= (depth > DEPTHS[0] + _EDGE) & (depth < DEPTHS[1] - _EDGE)
        weights = episodes.weights.T.astype(np.float32)
        free = (weights > 0) & (weights < 1)
        step = np.float32(0.2) * scale * rng.standard_normal((3, size), dtype=np.float32)
        turned = np.where(free, weights + step, weights)
        within &= ((turned > LEAST_WEIGHT) & (turned < 1) | ~free).all(axis=0)
        fall = depth * turned
        down = np.maximum(guesses.share[:sessions, None] * fall, guesses.rest[:sessions])
        deeper = fall - old * weights
        traits = guesses.traits.copy()
        way = rng.random(size, dtype=np.float32)
        if self._sums.person_sd > 0:
            traits[0] += np.where(way < 0.35, deeper.sum(axis=0) / 3 / self._sums.person_sd, 0)
        if self._world.component_sd > 0:
            traits[3:] += np.where(way > 0.65, deeper / np.float32(self._world.component_sd), 0)
        more = np.float32(0.5) * (place * place - other * other)
        more[~within] = -np.inf
        yes = self._try(guesses, sessions, traits, down, more)
        episodes.depth[yes] = depth[yes]
        episodes.weights[yes] = turned.T[yes]

    def ends(self, guesses: Guesses) -> None:
        """Draw anew when ruptures at full depth will end, and how: nothing tells of it before."""
        episodes, rng = guesses.episodes, self._rng
        at_full = episodes.age >= episodes.ramp
        open_ended = episodes.active & ~episodes.lasting & at_full
        open_ended &= episodes.age < episodes.ramp + episodes.hold
        if open_ended.any():
            count = int(open_ended.sum())
            so_far = (episodes.age - episodes.ramp)[open_ended]
            episodes.hold[open_ended] = so_far + rng.geometric(1 / self._world.ruptures.hold, count)
            episodes.back[open_ended] = np.where(rng.random(count) < QUICK_BACK, 1, 2)

    def session(self, guesses: Guesses, session: int, sessions: int, form: FormTables | None) -> None:
        """Move what was felt at one of `sessions` sessions."""
        sums, size = self._sums, guesses.size
        steady = sums.steady(guesses.traits)
        noise = guesses.noise[session]
        step = self._rng.standard_normal((5, size), dtype=np.float32)
        step *= self._scales(size)
        step[COMMON] *= self._common_sd
        if form is not None:
            row = guesses.yea.astype(np.intp)
            precise = 1 / form.asked.variance.astype(np.float32).T[:, row]
            own = steady.own_sd * sums.apart
            precise *= own * own
            precise[3] *= np.float32(OVERALL_NOISE**2)
            step[:COMMON] /= np.sqrt(1 + precise)
        # The others make up for the common noise: together they are felt as before, but for their own steps.
        step[:COMMON] -= step[COMMON] * (sums.shared / sums.apart)
        new = noise + step
        log = sums.log_prior(self._fresh(guesses, session, new)) - sums.log_prior(
            self._fresh(guesses, session, noise)
        )
        if session + 1 < sessions:
            after = guesses.noise[session + 1]
            log += sums.log_prior((after - sums.carried * new) / sums.fresh)
            log -= sums.log_prior((after - sums.carried * noise) / sums.fresh)
        form_log = guesses.form_log[session]
        if form is not None:
            felt = sums.felt(steady, session, new, guesses.down[session])
            told = form.log_chance(self._world, felt, guesses.yea)
            log += told - form_log
        yes = self._accepted(log)
        np.copyto(noise, new, where=yes)
        if form is not None:
            np.copyto(form_log, told, where=yes)

    def _fresh(self, guesses: Guesses, session: int, noise: Floats) -> Floats:
        if session == 0:
            return noise
        fresh: Floats = (noise - self._sums.carried * guesses.noise[session - 1]) / self._sums.fresh
        return fresh
