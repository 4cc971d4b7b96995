"""Simulates ruptures and bad days: the fall of each component, and when a rupture is under way.

A rupture falls over `ramp` sessions to its depth, stays there for `hold` sessions, and returns over
`recovery` sessions unless it is never repaired.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from lab.simulator.world import RuptureParameters

Floats = NDArray[np.float64]
Bools = NDArray[np.bool_]
Counts = NDArray[np.int64]

V, SLIDE, UNREPAIRED = range(3)
"""Shapes of ruptures: fall and return, slow slide, and fall without return."""
LONGEST_SLIDE = 6
"""Sessions from onset to full depth (Gumz 2012)."""
NEVER = 1_000
"""Sessions at full depth of a rupture that is never repaired."""
DEPTH_BOUNDS = (0.06, 0.7)
MIN_WEIGHT = 0.45
"""Lowest fall of a component that falls together with the leading one, as a share of the leading fall."""
QUICK_RECOVERY = 0.75
"""Share of repairs that take one session; the others take two."""
MAX_HAZARD = 0.3
"""Highest probability per session that another rupture begins."""


@dataclass(frozen=True, slots=True)
class LatentCourses:
    """The true courses of n clients over t sessions; components in the order bond, goal, task."""

    fall: Floats
    """(n, t, 3): how far a rupture lowers each component."""
    under_way: Bools
    """(n, t): a rupture is under way at this session."""
    unrepaired: Bools
    """(n, t): the rupture under way will not be repaired."""
    bad_day: Floats
    """(n, t, 3): how far a bad day, which is no rupture, lowers each component."""


def draw_patterns(rng: np.random.Generator, mix: tuple[float, float, float], size: int) -> Floats:
    """Draw (size, 3) weights of bond, goal and task in a fall: 1 for the leading one, 0 for those not in it.

    `mix` has the shares of falls in one, two and three components. Goal leads in 41, task in 39, bond in 20
    of 100 falls of the IMPLEMENT data.
    """
    order = rng.random((size, 3)) ** (1 / np.array([0.20, 0.41, 0.39]))
    rank = np.argsort(np.argsort(-order, axis=1), axis=1)
    count = 1 + rng.choice(3, size=size, p=mix)
    weights = np.where(rank == 0, 1.0, rng.uniform(MIN_WEIGHT, 1.0, (size, 3)))
    return np.where(rank < count[:, None], weights, 0.0)


def _draw_ramp(rng: np.random.Generator, shape: Counts) -> Counts:
    size = shape.size
    sudden = np.where(rng.random(size) < 0.8, 1, 2)
    slide = rng.integers(3, LONGEST_SLIDE + 1, size)
    unrepaired = np.where(rng.random(size) < 0.6, sudden, slide)
    return np.where(shape == V, sudden, np.where(shape == SLIDE, slide, unrepaired))


@dataclass(slots=True)
class RuptureStates:
    """The state of n clients' ruptures at a session; begin with `initial_states`, go on with `advance`."""

    active: Bools
    """(n,) a rupture lowers the alliance, or it is returning."""
    pause: Counts
    """(n,) positive while no rupture may begin."""
    had_one: Bools
    age: Counts
    """(n,) sessions since the latest onset."""
    ramp: Counts
    hold: Counts
    recovery: Counts
    weights: Floats
    """(n, 3)"""
    depth: Floats
    lasting: Bools
    """(n,) the latest rupture is never repaired."""


@dataclass(frozen=True, slots=True)
class Onsets:
    """n ruptures that may begin."""

    shape: Counts
    """(n,) `V`, `SLIDE` or `UNREPAIRED`."""
    weights: Floats
    """(n, 3)"""
    depth: Floats
    """(n,) fall of the leading component."""
    ramp: Counts
    """(n,) sessions from onset to full depth."""
    hold: Counts
    """(n,) sessions at full depth."""
    recovery: Counts
    """(n,) sessions from full depth back to none."""


def initial_states(clients: int) -> RuptureStates:
    """Return the states of clients who have not had a rupture."""
    active, had_one, lasting = (np.zeros(clients, dtype=np.bool_) for _ in range(3))
    age, ramp, hold, recovery = (np.ones(clients, dtype=np.int64) for _ in range(4))
    pause = np.zeros(clients, dtype=np.int64)
    weights, depth = np.zeros((clients, 3)), np.zeros(clients)
    return RuptureStates(active, pause, had_one, age, ramp, hold, recovery, weights, depth, lasting)


def onset_probability(parameters: RuptureParameters, states: RuptureStates) -> Floats:
    """Return (n,) P(a rupture begins at the next session); 0 where one is under way."""
    repeated = np.minimum(parameters.hazard * parameters.repeat, MAX_HAZARD)
    hazard = np.where(states.had_one, repeated, parameters.hazard)
    return np.where(~states.active & (states.pause <= 0), hazard, 0.0)


def draw_onsets(rng: np.random.Generator, parameters: RuptureParameters, size: int) -> Onsets:
    """Draw `size` ruptures."""
    shape = rng.choice(3, size=size, p=parameters.shapes)
    return Onsets(
        shape=shape,
        weights=draw_patterns(rng, parameters.mix, size),
        depth=np.clip(
            parameters.depth * np.exp(parameters.depth_log_sd * rng.standard_normal(size)), *DEPTH_BOUNDS
        ),
        ramp=_draw_ramp(rng, shape),
        hold=np.where(
            shape == UNREPAIRED, NEVER, rng.geometric(1 / parameters.hold, size) - (shape == SLIDE)
        ),
        recovery=np.where(rng.random(size) < QUICK_RECOVERY, 1, 2),
    )


def advance(states: RuptureStates) -> None:
    """Move to the next session, in place."""
    states.age += 1


def start_ruptures(states: RuptureStates, begins: Bools, onsets: Onsets) -> None:
    """Start ruptures at this session, in place: one of `onsets` for each True of `begins` (n,)."""
    states.weights[begins] = onsets.weights
    states.depth[begins] = onsets.depth
    states.ramp[begins], states.hold[begins] = onsets.ramp, onsets.hold
    states.recovery[begins] = onsets.recovery
    states.lasting[begins] = onsets.shape == UNREPAIRED
    states.age[begins] = 0
    states.active |= begins
    states.had_one |= begins


def close_and_measure(states: RuptureStates) -> tuple[Floats, Bools]:
    """Close, in place, the ruptures that are over at this session, and measure the others.

    Returns:
        The fall (n, 3), and (n,) whether a rupture is under way. A rupture on its way back still lowers the
        alliance but is no longer under way: it is being repaired and needs no alert.
    """
    full = states.ramp + states.hold
    returned = np.clip((states.age - full + 1) / states.recovery, 0.0, 1.0)
    risen = np.minimum((states.age + 1) / np.maximum(states.ramp, 1), 1.0)
    share = np.where(states.age < full, risen, 1.0 - returned)
    states.active &= share > 0
    states.pause = np.where(states.active, 1, states.pause - 1)
    fall: Floats = np.where(states.active, states.depth * share, 0.0)[:, None] * states.weights
    return fall, states.active & (states.age < full)


def draw_bad_days(rng: np.random.Generator, parameters: RuptureParameters, bad: Bools) -> Floats:
    """Draw (n, 3) how far a bad day lowers each component; 0 where `bad` (n,) is False."""
    depth = parameters.bad_day_depth * np.exp(0.4 * rng.standard_normal(bad.size))
    fall = np.where(bad, np.clip(depth, 0.03, 0.7), 0.0)
    return draw_patterns(rng, (0.15, 0.35, 0.5), bad.size) * fall[:, None]


def draw_courses(
    rng: np.random.Generator, parameters: RuptureParameters, clients: int, sessions: int
) -> LatentCourses:
    """Draw the ruptures and bad days of a cohort; a rupture may begin at any session but the first."""
    n = clients
    fall = np.zeros((n, sessions, 3))
    under_way = np.zeros((n, sessions), dtype=np.bool_)
    unrepaired = np.zeros((n, sessions), dtype=np.bool_)
    states = initial_states(n)
    for t in range(1, sessions):
        begins = rng.random(n) < onset_probability(parameters, states)
        onsets = draw_onsets(rng, parameters, n)
        advance(states)
        start_ruptures(states, begins, _select(onsets, begins))
        fall[:, t], under_way[:, t] = close_and_measure(states)
        unrepaired[:, t] = under_way[:, t] & states.lasting
    size = n * sessions
    bad = rng.random(size) < parameters.bad_day
    bad_day = draw_bad_days(rng, parameters, bad).reshape(n, sessions, 3)
    return LatentCourses(fall, under_way, unrepaired, bad_day)


def _select(onsets: Onsets, which: Bools) -> Onsets:
    return Onsets(
        onsets.shape[which],
        onsets.weights[which],
        onsets.depth[which],
        onsets.ramp[which],
        onsets.hold[which],
        onsets.recovery[which],
    )
