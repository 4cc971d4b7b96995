"""A world and a seed in, a cohort of clients with their forms and the truth about their ruptures out."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from services.detector.model.marks import Bools, Floats, give_marks, score
from services.detector.model.ruptures import Courses, draw_courses
from services.detector.model.world import World, draw_world

CLIENTS_PER_THERAPIST = 8
LONGEST = 30
"""Sessions at most; the tail of longer treatments adds nothing new."""


@dataclass(frozen=True, slots=True)
class Cohort:
    """n simulated clients of one caseload over at most t sessions."""

    world: World
    forms: Floats
    """(n, t, columns) of `history.COLUMNS`."""
    marks: Floats
    """(n, t, items) on 0 to 1 after reversal; NaN where unanswered."""
    declined: Bools
    """(n, t)"""
    present: Bools
    """(n, t): the session took place."""
    courses: Courses
    therapist: NDArray[np.int64]
    """(n,) the number of each client's therapist."""

    @property
    def rupture(self) -> Bools:
        """(n, t): a rupture is under way."""
        return self.courses.under_way


def _noise(rng: np.random.Generator, world: World, n: int, sessions: int) -> Floats:
    """(n, t, 4) autocorrelated heavy-tailed noise of variance 1, partly common to the components."""
    scale = np.sqrt((world.tail - 2) / world.tail)
    innovations: Floats = scale * np.asarray(rng.standard_t(world.tail, size=(n, sessions, 5)))
    phi = world.autocorrelation
    out = np.empty_like(innovations)
    out[:, 0] = innovations[:, 0]
    for t in range(1, sessions):
        out[:, t] = phi * out[:, t - 1] + np.sqrt(1 - phi**2) * innovations[:, t]
    own, common = out[:, :, :4], out[:, :, 4:]
    mixed: Floats = np.sqrt(world.common) * common + np.sqrt(1 - world.common) * own
    return mixed


def _latent(rng: np.random.Generator, world: World, therapist: NDArray[np.int64], courses: Courses) -> Floats:
    """(n, t, 4) the alliance as felt: bond, goal, task, and overall as their mean."""
    n, sessions = therapist.size, int(courses.fall.shape[1])
    by_therapist = world.therapist_sd * rng.standard_normal(int(therapist.max()) + 1)
    person = world.level_sd * rng.standard_normal(n) + by_therapist[therapist]
    slope = world.slope + world.slope_sd * rng.standard_normal(n)
    when = np.minimum(np.arange(sessions), 15.0) - 7.0
    own_sd = world.own_sd * np.exp(world.own_log_sd * rng.standard_normal(n) - world.own_level_tilt * person)
    offsets = np.array(world.component_offsets) + world.component_sd * rng.standard_normal((n, 3))
    level = np.clip(world.level + person[:, None] + slope[:, None] * when, 0.05, 1.1)
    noise = np.minimum(own_sd, 0.3)[:, None, None] * _noise(rng, world, n, sessions)
    held_down = np.maximum(courses.fall, courses.bad_day)
    parts = level[:, :, None] + offsets[:, None, :] + noise[:, :, :3] - held_down
    overall = parts.mean(axis=2, keepdims=True) + 0.4 * noise[:, :, 3:]
    return np.concatenate([parts, overall], axis=2)


def _declined(rng: np.random.Generator, world: World, courses: Courses) -> Bools:
    n, sessions = courses.under_way.shape
    missing = world.missing
    odds = missing.declined / (1 - missing.declined) * missing.declined_growth ** np.arange(sessions)
    odds = np.where(courses.under_way, odds * missing.declined_in_rupture, odds)
    return rng.random((n, sessions)) < np.minimum(odds / (1 + odds), 0.7)


def _present(rng: np.random.Generator, world: World, courses: Courses, planned: NDArray[np.int64]) -> Bools:
    n, sessions = courses.under_way.shape
    missing = world.missing
    lasting = courses.unrepaired
    hazard = np.where(lasting, missing.drop_out * missing.drop_out_in_rupture, missing.drop_out)
    stops = rng.random((n, sessions)) < hazard
    # Who stops after session k is absent from k + 1 on.
    gone = np.zeros((n, sessions), dtype=np.bool_)
    gone[:, 1:] = np.cumsum(stops, axis=1)[:, :-1] > 0
    return ~gone & (np.arange(sessions) < planned[:, None])


def simulate(
    rng: np.random.Generator, clients: int, world: World | None = None, sessions: int | None = None
) -> Cohort:
    """Simulate `clients` clients of one cohort.

    Args:
        rng: the only source of chance: the same generator state gives the same cohort.
        clients: how many clients.
        world: the cohort's parameters; drawn from the priors when None.
        sessions: how many sessions everybody is planned for; drawn around the world's median when None.
    """
    world = world or draw_world(rng)
    if sessions is None:
        planned = np.exp(rng.normal(np.log(world.sessions), 0.4, clients)).round().astype(np.int64)
        planned = np.clip(planned, 2, LONGEST)
    else:
        planned = np.full(clients, sessions, dtype=np.int64)
    longest = int(planned.max())
    therapist = rng.integers(max(clients // CLIENTS_PER_THERAPIST, 1), size=clients)
    courses = draw_courses(rng, world.ruptures, clients, longest)
    yea = rng.random(clients) < world.yea_sayers
    declined = _declined(rng, world, courses)
    marks = give_marks(rng, world, _latent(rng, world, therapist, courses), yea)
    present = _present(rng, world, courses, planned)
    return Cohort(world, score(world.shape, marks, declined), marks, declined, present, courses, therapist)
