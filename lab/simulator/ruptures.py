"""A world's rupture parameters in, per client and session the fall of each component and the truth out."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from lab.simulator.world import RuptureWorld

Floats = NDArray[np.float64]
Bools = NDArray[np.bool_]
Counts = NDArray[np.int64]

V, SLIDE, UNREPAIRED = range(3)
LONGEST_SLIDE = 6
"""Sessions from onset to full depth (Gumz 2012)."""
NEVER = 1_000
DEPTHS = (0.06, 0.7)
"""Least and greatest depth of a rupture."""
LEAST_WEIGHT = 0.45
"""A component that falls with the leading one falls at least by this share of it."""
QUICK_BACK = 0.75
"""Share of repairs that take one session; the others take two."""


@dataclass(frozen=True, slots=True)
class Courses:
    """What lies under the marks; n clients, t sessions, components in the order bond, goal, task."""

    fall: Floats
    """(n, t, 3): how far a rupture holds each component down."""
    under_way: Bools
    """(n, t): a rupture is under way at this session."""
    unrepaired: Bools
    """(n, t): it is one that will not be repaired."""
    bad_day: Floats
    """(n, t, 3): how far a bad day that is no rupture holds each component down."""


def draw_patterns(rng: np.random.Generator, mix: tuple[float, float, float], size: int) -> Floats:
    """(size, 3) weights of bond, goal, task in a fall: the leading one 1, those not in it 0.

    Goal leads in 41, task in 39, bond in 20 of 100 falls of the IMPLEMENT data.
    """
    order = rng.random((size, 3)) ** (1 / np.array([0.20, 0.41, 0.39]))
    rank = np.argsort(np.argsort(-order, axis=1), axis=1)
    count = 1 + rng.choice(3, size=size, p=mix)
    weights = np.where(rank == 0, 1.0, rng.uniform(LEAST_WEIGHT, 1.0, (size, 3)))
    return np.where(rank < count[:, None], weights, 0.0)


def _ramp(rng: np.random.Generator, kind: Counts) -> Counts:
    size = kind.size
    sudden = np.where(rng.random(size) < 0.8, 1, 2)
    slide = rng.integers(3, LONGEST_SLIDE + 1, size)
    unrepaired = np.where(rng.random(size) < 0.6, sudden, slide)
    return np.where(kind == V, sudden, np.where(kind == SLIDE, slide, unrepaired))


@dataclass(slots=True)
class Episodes:
    """Where each client's ruptures stand after a session; begin with `none_yet`, move on with `go_on`."""

    active: Bools
    rest: Counts
    had_one: Bools
    age: Counts
    ramp: Counts
    hold: Counts
    back: Counts
    weights: Floats
    """(n, 3)"""
    depth: Floats
    lasting: Bools


@dataclass(frozen=True, slots=True)
class Onsets:
    """Ruptures that could begin: kind, components, depth and length, one a row."""

    kind: Counts
    weights: Floats
    depth: Floats
    ramp: Counts
    hold: Counts
    back: Counts


def none_yet(clients: int) -> Episodes:
    """Nobody has had a rupture."""
    active, had_one, lasting = (np.zeros(clients, dtype=np.bool_) for _ in range(3))
    age, ramp, hold, back = (np.ones(clients, dtype=np.int64) for _ in range(4))
    rest = np.zeros(clients, dtype=np.int64)
    weights, depth = np.zeros((clients, 3)), np.zeros(clients)
    return Episodes(active, rest, had_one, age, ramp, hold, back, weights, depth, lasting)


def chance_of_onset(world: RuptureWorld, episodes: Episodes) -> Floats:
    """(n,) P(a rupture begins at the next session); 0 where one is under way."""
    hazard = np.where(episodes.had_one, np.minimum(world.hazard * world.repeat, 0.3), world.hazard)
    return np.where(~episodes.active & (episodes.rest <= 0), hazard, 0.0)


def draw_onsets(rng: np.random.Generator, world: RuptureWorld, size: int) -> Onsets:
    """As many ruptures as asked for."""
    kind = rng.choice(3, size=size, p=world.shapes)
    return Onsets(
        kind=kind,
        weights=draw_patterns(rng, world.mix, size),
        depth=np.clip(world.depth * np.exp(world.depth_log_sd * rng.standard_normal(size)), *DEPTHS),
        ramp=_ramp(rng, kind),
        hold=np.where(kind == UNREPAIRED, NEVER, rng.geometric(1 / world.hold, size) - (kind == SLIDE)),
        back=np.where(rng.random(size) < QUICK_BACK, 1, 2),
    )


def go_on(episodes: Episodes) -> None:
    """To the next session: what is under way is one session older."""
    episodes.age += 1


def begin(episodes: Episodes, begins: Bools, new: Onsets) -> None:
    """At this session, start the ruptures `new` (one for each True) where `begins` (n,) says so."""
    episodes.weights[begins] = new.weights
    episodes.depth[begins] = new.depth
    episodes.ramp[begins], episodes.hold[begins], episodes.back[begins] = new.ramp, new.hold, new.back
    episodes.lasting[begins] = new.kind == UNREPAIRED
    episodes.age[begins] = 0
    episodes.active |= begins
    episodes.had_one |= begins


def held_down(episodes: Episodes) -> tuple[Floats, Bools]:
    """The fall (n, 3) at this session and whether a rupture is under way (n,); closes those that are over."""
    full = episodes.ramp + episodes.hold
    returned = np.clip((episodes.age - full + 1) / episodes.back, 0.0, 1.0)
    risen = np.minimum((episodes.age + 1) / np.maximum(episodes.ramp, 1), 1.0)
    share = np.where(episodes.age < full, risen, 1.0 - returned)
    episodes.active &= share > 0
    episodes.rest = np.where(episodes.active, 1, episodes.rest - 1)
    fall: Floats = np.where(episodes.active, episodes.depth * share, 0.0)[:, None] * episodes.weights
    # Half-way back is repair under way, no longer a rupture to be told about.
    return fall, episodes.active & (episodes.age < full)


def bad_day_falls(rng: np.random.Generator, world: RuptureWorld, bad: Bools) -> Floats:
    """(n, 3) how far a bad day holds each component down; 0 where `bad` (n,) is False."""
    depth = world.bad_day_depth * np.exp(0.4 * rng.standard_normal(bad.size))
    fall = np.where(bad, np.clip(depth, 0.03, 0.7), 0.0)
    return draw_patterns(rng, (0.15, 0.35, 0.5), bad.size) * fall[:, None]


def draw_courses(rng: np.random.Generator, world: RuptureWorld, clients: int, sessions: int) -> Courses:
    """Ruptures and bad days of a cohort; a rupture may begin at any session but the first."""
    n = clients
    fall = np.zeros((n, sessions, 3))
    under_way = np.zeros((n, sessions), dtype=np.bool_)
    unrepaired = np.zeros((n, sessions), dtype=np.bool_)
    episodes = none_yet(n)
    for t in range(1, sessions):
        begins = rng.random(n) < chance_of_onset(world, episodes)
        new = draw_onsets(rng, world, n)
        go_on(episodes)
        begin(episodes, begins, _some(new, begins))
        fall[:, t], under_way[:, t] = held_down(episodes)
        unrepaired[:, t] = under_way[:, t] & episodes.lasting
    size = n * sessions
    bad = rng.random(size) < world.bad_day
    return Courses(fall, under_way, unrepaired, bad_day_falls(rng, world, bad).reshape(n, sessions, 3))


def _some(new: Onsets, which: Bools) -> Onsets:
    return Onsets(
        new.kind[which],
        new.weights[which],
        new.depth[which],
        new.ramp[which],
        new.hold[which],
        new.back[which],
    )
