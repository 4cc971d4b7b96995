"""A world's rupture parameters in, per client and session the fall of each component and the truth out."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from services.detector.model.world import RuptureWorld

Floats = NDArray[np.float64]
Bools = NDArray[np.bool_]

V, SLIDE, UNREPAIRED = range(3)
LONGEST_SLIDE = 6
"""Sessions from onset to full depth (Gumz 2012)."""
NEVER = 1_000


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
    weights = np.where(rank == 0, 1.0, rng.uniform(0.45, 1.0, (size, 3)))
    return np.where(rank < count[:, None], weights, 0.0)


def _ramp(rng: np.random.Generator, kind: NDArray[np.int64]) -> NDArray[np.int64]:
    size = kind.size
    sudden = np.where(rng.random(size) < 0.8, 1, 2)
    slide = rng.integers(3, LONGEST_SLIDE + 1, size)
    unrepaired = np.where(rng.random(size) < 0.6, sudden, slide)
    return np.where(kind == V, sudden, np.where(kind == SLIDE, slide, unrepaired))


def draw_courses(rng: np.random.Generator, world: RuptureWorld, clients: int, sessions: int) -> Courses:
    """Ruptures and bad days of a cohort; a rupture may begin at any session but the first."""
    n = clients
    fall = np.zeros((n, sessions, 3))
    under_way = np.zeros((n, sessions), dtype=np.bool_)
    unrepaired = np.zeros((n, sessions), dtype=np.bool_)
    active = np.zeros(n, dtype=np.bool_)
    rest = np.zeros(n, dtype=np.int64)
    had_one = np.zeros(n, dtype=np.bool_)
    age, ramp, hold, back = (np.ones(n, dtype=np.int64) for _ in range(4))
    weights, depth, lasting = np.zeros((n, 3)), np.zeros(n), np.zeros(n, dtype=np.bool_)
    for t in range(1, sessions):
        hazard = np.where(had_one, np.minimum(world.hazard * world.repeat, 0.3), world.hazard)
        begins = ~active & (rest <= 0) & (rng.random(n) < hazard)
        kind = rng.choice(3, size=n, p=world.shapes)
        new = {
            "weights": draw_patterns(rng, world.mix, n),
            "depth": np.clip(world.depth * np.exp(world.depth_log_sd * rng.standard_normal(n)), 0.06, 0.7),
            "ramp": _ramp(rng, kind),
            "hold": np.where(kind == UNREPAIRED, NEVER, rng.geometric(1 / world.hold, n) - (kind == SLIDE)),
            "back": np.where(rng.random(n) < 0.75, 1, 2),
        }
        weights = np.where(begins[:, None], new["weights"], weights)
        depth = np.where(begins, new["depth"], depth)
        ramp, hold, back = (
            np.where(begins, new[name], old).astype(np.int64)
            for name, old in (("ramp", ramp), ("hold", hold), ("back", back))
        )
        lasting = np.where(begins, kind == UNREPAIRED, lasting)
        age = np.where(begins, 0, age + 1)
        active |= begins
        had_one |= begins
        full = ramp + hold
        returned = np.clip((age - full + 1) / back, 0.0, 1.0)
        share = np.where(age < full, np.minimum((age + 1) / np.maximum(ramp, 1), 1.0), 1.0 - returned)
        active &= share > 0
        rest = np.where(active, 1, rest - 1)
        fall[:, t] = np.where(active, depth * share, 0.0)[:, None] * weights
        # Half-way back is repair under way, no longer a rupture to be told about.
        under_way[:, t] = active & (age < full)
        unrepaired[:, t] = under_way[:, t] & lasting
    size = n * sessions
    bad = rng.random(size) < world.bad_day
    bad_depth = world.bad_day_depth * np.exp(0.4 * rng.standard_normal(size))
    bad_fall = np.where(bad, np.clip(bad_depth, 0.03, 0.7), 0.0)
    mix = draw_patterns(rng, (0.15, 0.35, 0.5), size) * bad_fall[:, None]
    return Courses(fall, under_way, unrepaired, mix.reshape(n, sessions, 3))
