"""Holds the particles of one client, and computes from them what the simulator computes from its clients.

The model is that of `lab/simulator/cohort.py`, in float32 and with one column per particle, for speed. The
six traits of a client, which stay constant over the sessions, are standard normal a priori.
"""

from dataclasses import dataclass, fields
from itertools import pairwise

import numpy as np
from numpy.typing import NDArray

from lab.simulator.cohort import LEVEL_BOUNDS, MAX_OWN_SD, OVERALL_NOISE, sessions_from_middle
from lab.simulator.ruptures import RuptureStates
from lab.simulator.world import World

Floats = NDArray[np.float32]
Bools = NDArray[np.bool_]
Indices = NDArray[np.intp]

TRAITS = 6
"""Person, slope, own spread, and bond's, goal's and task's offsets."""
COMMON = 4
"""The row of the noise that bond, goal, task and overall have in common."""


@dataclass(slots=True)
class Particles:
    """n particles of one client, after some of at most t sessions."""

    traits: Floats
    """(6, n)"""
    yea_sayer: Bools
    """(n,)"""
    noise: Floats
    """(t, 5, n) autocorrelated noise of variance 1: bond, goal, task, overall, common."""
    fall: Floats
    """(t, 3, n) how far ruptures and bad days lower each component."""
    rupture_share: Floats
    """(t, n) share of its depth that the latest rupture has at each session."""
    other_fall: Floats
    """(t, 3, n) how far everything but the latest rupture lowers each component."""
    form_log_likelihood: Floats
    """(t, n) log P(form | alliance as felt) of each session's form."""
    ruptures: RuptureStates
    unrepaired: Bools
    """(n,) the rupture under way is never repaired."""
    log_weight: NDArray[np.float64]
    """(n,) up to a constant."""

    @property
    def size(self) -> int:
        """Number of particles."""
        return self.yea_sayer.size

    def select(self, which: Indices, sessions: int) -> "Particles":
        """Return the particles `which` (m,), with equal weights and the first `sessions` sessions copied."""
        ruptures = RuptureStates(
            *(getattr(self.ruptures, field.name)[which] for field in fields(RuptureStates))
        )

        def gathered(source: Floats) -> Floats:
            target = np.empty((*source.shape[:-1], which.size), np.float32)
            # Row by row: gathering along the last axis of all rows at once is several times slower.
            rows = target[:sessions].reshape(-1, which.size)
            for row, values in zip(rows, source[:sessions].reshape(-1, self.size), strict=True):
                values.take(which, out=row, mode="clip")
            return target

        return Particles(
            traits=np.stack([row[which] for row in self.traits]),
            yea_sayer=self.yea_sayer[which],
            noise=gathered(self.noise),
            fall=gathered(self.fall),
            rupture_share=gathered(self.rupture_share),
            other_fall=gathered(self.other_fall),
            form_log_likelihood=gathered(self.form_log_likelihood),
            ruptures=ruptures,
            unrepaired=self.unrepaired[which],
            log_weight=np.zeros(which.size),
        )


@dataclass(frozen=True, slots=True)
class StaticTraits:
    """The traits of n particles on the simulator's scales."""

    own_sd: Floats
    """(n,)"""
    person: Floats
    """(n,)"""
    slope: Floats
    """(n,)"""
    offsets: Floats
    """(3, n)"""


class Precomputed:
    """The constants of one world in float32, and the formulas that use them."""

    def __init__(self, world: World) -> None:
        self.world = world
        self.person_sd = np.float32(np.hypot(world.level_sd, world.therapist_sd))
        self._offsets = np.array(world.component_offsets, dtype=np.float32)[:, None]
        self.common_weight = np.float32(np.sqrt(world.common))
        self.own_weight = np.float32(np.sqrt(1 - world.common))
        self.autocorrelation = np.float32(world.autocorrelation)
        self.innovation_sd = np.float32(np.sqrt(1 - world.autocorrelation**2))
        df = world.degrees_of_freedom
        self._power = np.float32(-(df + 1) / 2)
        self._inverse_scale = np.float32(1 / (df - 2))

    def static_traits(self, traits: Floats) -> StaticTraits:
        """Convert standard normal traits (6, n)."""
        world = self.world
        person = self.person_sd * traits[0]
        own = np.float32(world.own_sd) * np.exp(
            np.float32(world.own_log_sd) * traits[2] - np.float32(world.own_level_tilt) * person
        )
        return StaticTraits(
            own_sd=np.minimum(own, np.float32(MAX_OWN_SD)),
            person=person,
            slope=np.float32(world.slope) + np.float32(world.slope_sd) * traits[1],
            offsets=self._offsets + np.float32(world.component_sd) * traits[3:],
        )

    def level(self, static: StaticTraits, session: int) -> Floats:
        """Return (n,) the level at a session, numbered from 0."""
        elapsed = np.float32(sessions_from_middle(np.array(session)))
        level: Floats = np.float32(self.world.level) + static.person + elapsed * static.slope
        return np.clip(level, *map(np.float32, LEVEL_BOUNDS), out=level)

    def felt(self, static: StaticTraits, session: int, noise: Floats, fall: Floats) -> Floats:
        """Return (4, n) bond, goal, task and overall as felt, from noise (5, n) and fall (3, n)."""
        out = np.empty((4, static.own_sd.size), np.float32)
        mixed = self.own_weight * noise[:COMMON] + self.common_weight * noise[COMMON]
        mixed *= static.own_sd
        np.add(mixed[:3], static.offsets, out=out[:3])
        out[:3] += self.level(static, session)
        out[:3] -= fall
        np.add(out[:3].sum(axis=0) / np.float32(3), np.float32(OVERALL_NOISE) * mixed[3], out=out[3])
        return out

    def log_prior(self, innovations: Floats) -> Floats:
        """Return (n,) the log density, up to a constant, of independent innovations (k, n)."""
        terms = innovations * innovations
        terms *= self._inverse_scale
        terms += np.float32(1)
        log: Floats = self._power * np.log(terms.prod(axis=0))
        return log

    def log_noise(self, noise: Floats) -> Floats:
        """Return (n,) the log density, up to a constant, of noise (t, k, n) from the first session on."""
        total = self.log_prior(noise[0])
        for previous, current in pairwise(noise):
            total += self.log_prior((current - self.autocorrelation * previous) / self.innovation_sd)
        return total
