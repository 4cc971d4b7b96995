"""Simulates a cohort of the second family of worlds; see `lab/simulator/two_state_world.py`."""

import numpy as np
from numpy.typing import NDArray

from lab.simulator.cohort import (
    CLIENTS_PER_THERAPIST,
    LEVEL_BOUNDS,
    OVERALL_NOISE,
    Cohort,
    draw_noise,
    draw_traits,
)
from lab.simulator.item_responses import Bools, Floats, draw_item_offsets, draw_marks, score_cohort
from lab.simulator.ruptures import LatentCourses
from lab.simulator.two_state_world import TwoStateRuptures, TwoStateWorld, draw_two_state_world

DEPTH_BOUNDS = (0.03, 0.8)
SLIDE_SD = 0.7
"""Standard deviation between clients of the number of sessions of a slide."""
HIGH_LEVEL_SD = 0.03
BAD_DAY_LOG_SD = 0.3
MAX_DECLINED = 0.5
MAX_DROP_OUT = 0.25
MIDDLE_SESSION = 7
"""The session, counted from 0, whose mean level is the world's."""


def draw_two_state_courses(
    rng: np.random.Generator, parameters: TwoStateRuptures, clients: int, sessions: int
) -> LatentCourses:
    """Draw the ruptures and bad days of n clients over t sessions."""
    n = clients
    fall = np.zeros((n, sessions, 3))
    under_way, unrepaired = (np.zeros((n, sessions), dtype=np.bool_) for _ in range(2))
    active, lasting = (np.zeros(n, dtype=np.bool_) for _ in range(2))
    age, slide, depth = np.zeros(n), np.ones(n), np.zeros(n)
    pattern = np.zeros((n, 3))
    for t in range(parameters.first_session, sessions):
        repaired = active & ~lasting & (rng.random(n) < parameters.repair)
        begins = ~active & (rng.random(n) < parameters.onset)
        age = np.where(begins, 0.0, age + 1)
        drawn = _draw_depths(rng, parameters, n)
        depth = np.where(begins, drawn, depth)
        lasting = np.where(begins, rng.random(n) < parameters.lasting, lasting)
        slide = np.where(begins, _draw_slides(rng, parameters, n), slide)
        pattern = np.where(begins[:, None], _draw_patterns(rng, parameters, n), pattern)
        active = (active & ~repaired) | begins
        size = depth * np.minimum((age + 1) / slide, 1.0) * parameters.shrinking**age
        size = np.where(active, size, np.where(repaired, parameters.residue * size, 0.0))
        fall[:, t] = size[:, None] * pattern
        under_way[:, t], unrepaired[:, t] = active, active & lasting
    bad = rng.random((n, sessions)) < parameters.bad_day
    low = parameters.bad_day_depth * np.exp(BAD_DAY_LOG_SD * rng.standard_normal((n, sessions)))
    bad_day = np.repeat(np.where(bad, low, 0.0)[:, :, None], 3, axis=2)
    return LatentCourses(fall, under_way, unrepaired, bad_day)


def _draw_depths(rng: np.random.Generator, parameters: TwoStateRuptures, size: int) -> Floats:
    depth = parameters.depth * np.exp(parameters.depth_log_sd * rng.standard_normal(size))
    clipped: Floats = np.clip(depth, *DEPTH_BOUNDS)
    return clipped


def _draw_slides(rng: np.random.Generator, parameters: TwoStateRuptures, size: int) -> Floats:
    length = np.maximum(parameters.slide_sessions + SLIDE_SD * rng.standard_normal(size), 1.0)
    slides: Floats = np.where(rng.random(size) < parameters.sliding, length, 1.0)
    return slides


def _draw_patterns(rng: np.random.Generator, parameters: TwoStateRuptures, size: int) -> Floats:
    """Draw (size, 3) falls of bond, goal and task as shares of the rupture's depth."""
    # Weighted sampling without replacement (Efraimidis and Spirakis 2006).
    order = rng.random((size, 3)) ** (1 / np.array(parameters.components))
    rank = np.argsort(np.argsort(-order, axis=1), axis=1)
    count = 1 + rng.choice(3, size=size, p=parameters.mix)
    return np.where(rank < count[:, None], 1.0, parameters.spill)


def _felt(rng: np.random.Generator, world: TwoStateWorld, fall: Floats) -> tuple[Floats, NDArray[np.int64]]:
    """Return the alliance as felt (n, t, 4), and each client's therapist (n,)."""
    n, sessions = fall.shape[:2]
    therapist = rng.integers(max(n // CLIENTS_PER_THERAPIST, 1), size=n)
    traits = draw_traits(rng, world, therapist)
    elapsed = np.arange(sessions) - MIDDLE_SESSION
    usual = world.level + traits.person[:, None] + traits.slope[:, None] * elapsed
    high = rng.random((n,)) < world.high_markers
    marked_high: Floats = world.high_level + HIGH_LEVEL_SD * rng.standard_normal((n,))
    level: Floats = np.where(high[:, None], marked_high[:, None], np.clip(usual, *LEVEL_BOUNDS))
    noise = traits.own_sd[:, None, None] * draw_noise(rng, world, n, sessions)
    parts = level[:, :, None] + traits.offsets[:, None, :] + noise[:, :, :3] - fall
    overall = parts.mean(axis=2, keepdims=True) + OVERALL_NOISE * noise[:, :, 3:]
    return np.concatenate([parts, overall], axis=2), therapist


def _draw_present(
    rng: np.random.Generator, world: TwoStateWorld, under_way: Bools, planned: NDArray[np.int64]
) -> Bools:
    n, sessions = under_way.shape
    missing = world.missing
    hazard = np.where(under_way, missing.drop_out * missing.drop_out_in_rupture, missing.drop_out)
    stops = rng.random((n, sessions)) < np.minimum(hazard, MAX_DROP_OUT)
    gone = np.zeros((n, sessions), dtype=np.bool_)
    gone[:, 1:] = np.cumsum(stops, axis=1)[:, :-1] > 0
    return ~gone & (np.arange(sessions) < planned[:, None])


def simulate_two_state(rng: np.random.Generator, clients: int, world: TwoStateWorld | None = None) -> Cohort:
    """Simulate the clients of one cohort; the world is drawn from the priors when it is None."""
    world = world or draw_two_state_world(rng)
    planned = rng.integers(world.sessions[0], world.sessions[1] + 1, clients)
    longest = int(planned.max())
    courses = draw_two_state_courses(rng, world.ruptures, clients, longest)
    probability = np.where(courses.under_way, world.missing.declined_in_rupture, 1.0) * world.missing.declined
    declined = rng.random((clients, longest)) < np.minimum(probability, MAX_DECLINED)
    latent, therapist = _felt(rng, world, np.maximum(courses.fall, courses.bad_day))
    item_offsets = draw_item_offsets(rng, world)
    no_yea_sayers = np.zeros(clients, dtype=np.bool_)
    marks = draw_marks(rng, world, latent, no_yea_sayers, item_offsets)
    present = _draw_present(rng, world, courses.under_way, planned)
    forms = score_cohort(world.instrument, marks, declined)
    return Cohort(world, item_offsets, forms, marks, declined, present, courses, therapist)
