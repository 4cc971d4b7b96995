"""A world in, guesses at one of its clients out: what stays the same, the noise so far, and what both say.

The same model as `simulate`, laid out for speed: one column a guess, in float32. What stays the same over a
client's sessions are six numbers that are standard normal before any form: the traits.
"""

from dataclasses import dataclass, fields
from itertools import pairwise

import numpy as np
from numpy.typing import NDArray

from lab.simulator.cohort import LEVELS, MOST_OWN_SD, OVERALL_NOISE, sessions_from_middle
from lab.simulator.ruptures import Episodes
from lab.simulator.world import World

Floats = NDArray[np.float32]
Bools = NDArray[np.bool_]
Picks = NDArray[np.intp]

TRAITS = 6
"""Person, slope, own spread, and bond's, goal's and task's offsets."""
COMMON = 4
"""The row of the noise that bond, goal, task and overall have in common."""


@dataclass(slots=True)
class Guesses:
    """n guesses at a client, after some of at most t sessions."""

    traits: Floats
    """(6, n)"""
    yea: Bools
    """(n,)"""
    noise: Floats
    """(t, 5, n) autocorrelated noise of variance 1: bond, goal, task, overall, common."""
    down: Floats
    """(t, 3, n) how far ruptures and bad days hold each component down."""
    share: Floats
    """(t, n) how much of its depth the latest rupture has at each session."""
    rest: Floats
    """(t, 3, n) how far everything but the latest rupture holds each component down."""
    form_log: Floats
    """(t, n) log-chance of each session's form."""
    episodes: Episodes
    unrepaired: Bools
    log_weight: NDArray[np.float64]

    @property
    def size(self) -> int:
        """How many guesses."""
        return self.yea.size

    def picked(self, which: Picks, sessions: int) -> "Guesses":
        """Some of the guesses, all of the same weight; the first `sessions` of their sessions."""
        episodes = Episodes(*(getattr(self.episodes, field.name)[which] for field in fields(Episodes)))

        def gathered(old: Floats) -> Floats:
            new = np.empty((*old.shape[:-1], which.size), np.float32)
            # Row by row: gathering along the last axis of all of them at once is several times slower.
            rows = new[:sessions].reshape(-1, which.size)
            for row, source in zip(rows, old[:sessions].reshape(-1, self.size), strict=True):
                source.take(which, out=row, mode="clip")
            return new

        return Guesses(
            traits=np.stack([row[which] for row in self.traits]),
            yea=self.yea[which],
            noise=gathered(self.noise),
            down=gathered(self.down),
            share=gathered(self.share),
            rest=gathered(self.rest),
            form_log=gathered(self.form_log),
            episodes=episodes,
            unrepaired=self.unrepaired[which],
            log_weight=np.zeros(which.size),
        )


@dataclass(frozen=True, slots=True)
class Steady:
    """What the traits of n guesses mean in a world."""

    own_sd: Floats
    """(n,)"""
    person: Floats
    slope: Floats
    offsets: Floats
    """(3, n)"""


class Sums:
    """The arithmetic of one world."""

    def __init__(self, world: World) -> None:
        self.world = world
        self.person_sd = np.float32(np.hypot(world.level_sd, world.therapist_sd))
        self._offsets = np.array(world.component_offsets, dtype=np.float32)[:, None]
        self.shared = np.float32(np.sqrt(world.common))
        self.apart = np.float32(np.sqrt(1 - world.common))
        self.carried = np.float32(world.autocorrelation)
        self.fresh = np.float32(np.sqrt(1 - world.autocorrelation**2))
        self._power = np.float32(-(world.tail + 1) / 2)
        self._spread = np.float32(1 / (world.tail - 2))

    def steady(self, traits: Floats) -> Steady:
        """What traits (6, n) mean."""
        world = self.world
        person = self.person_sd * traits[0]
        own = np.float32(world.own_sd) * np.exp(
            np.float32(world.own_log_sd) * traits[2] - np.float32(world.own_level_tilt) * person
        )
        return Steady(
            own_sd=np.minimum(own, np.float32(MOST_OWN_SD)),
            person=person,
            slope=np.float32(world.slope) + np.float32(world.slope_sd) * traits[1],
            offsets=self._offsets + np.float32(world.component_sd) * traits[3:],
        )

    def level(self, steady: Steady, session: int) -> Floats:
        """(n,) the level at a session, from 0."""
        when = np.float32(sessions_from_middle(np.array(session)))
        level: Floats = np.float32(self.world.level) + steady.person + when * steady.slope
        return np.clip(level, *map(np.float32, LEVELS), out=level)

    def felt(self, steady: Steady, session: int, noise: Floats, down: Floats) -> Floats:
        """(4, n) bond, goal, task and overall as felt, from noise (5, n) and what holds down (3, n)."""
        out = np.empty((4, steady.own_sd.size), np.float32)
        mixed = self.apart * noise[:COMMON] + self.shared * noise[COMMON]
        mixed *= steady.own_sd
        np.add(mixed[:3], steady.offsets, out=out[:3])
        out[:3] += self.level(steady, session)
        out[:3] -= down
        np.add(out[:3].sum(axis=0) / np.float32(3), np.float32(OVERALL_NOISE) * mixed[3], out=out[3])
        return out

    def log_prior(self, innovations: Floats) -> Floats:
        """(n,) log density, up to a constant, of independent innovations (k, n)."""
        each = innovations * innovations
        each *= self._spread
        each += np.float32(1)
        log: Floats = self._power * np.log(each.prod(axis=0))
        return log

    def log_noise(self, noise: Floats) -> Floats:
        """(n,) log density, up to a constant, of noise (t, k, n) from the first session on."""
        total = self.log_prior(noise[0])
        for before, now in pairwise(noise):
            total += self.log_prior((now - self.carried * before) / self.fresh)
        return total
