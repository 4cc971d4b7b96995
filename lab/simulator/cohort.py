"""A world and a seed in, a cohort of clients with their forms and the truth about their ruptures out."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from lab.simulator.item_responses import Bools, Floats, draw_item_offsets, give_marks, score
from lab.simulator.ruptures import Courses, draw_courses
from lab.simulator.world import World, draw_world

CLIENTS_PER_THERAPIST = 8
LONGEST = 30
"""Sessions at most; the tail of longer treatments adds nothing new."""
LEVELS = (0.05, 1.1)
"""Lowest and highest level that a client keeps around; what is felt may lie outside."""
MOST_OWN_SD = 0.3
OVERALL_NOISE = 0.4
"""How much of a client's own noise comes to the overall alliance on top of its components' mean."""


@dataclass(frozen=True, slots=True)
class Cohort:
    """n simulated clients of one caseload over at most t sessions."""

    world: World
    item_offsets: Floats
    """(items,) of `draw_item_offsets`."""
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


@dataclass(frozen=True, slots=True)
class Traits:
    """What stays the same over a client's sessions, (n,) each."""

    person: Floats
    """How far the client's level lies off the cohort's."""
    slope: Floats
    own_sd: Floats
    """Standard deviation of the client's own session-to-session noise."""
    offsets: Floats
    """(n, 3) of bond, goal and task."""


def draw_traits(rng: np.random.Generator, world: World, therapist: NDArray[np.int64]) -> Traits:
    """The clients of the given therapists (n,)."""
    n = therapist.size
    by_therapist = world.therapist_sd * rng.standard_normal(int(therapist.max()) + 1)
    person = world.level_sd * rng.standard_normal(n) + by_therapist[therapist]
    slope = world.slope + world.slope_sd * rng.standard_normal(n)
    own_sd = world.own_sd * np.exp(world.own_log_sd * rng.standard_normal(n) - world.own_level_tilt * person)
    offsets = np.array(world.component_offsets) + world.component_sd * rng.standard_normal((n, 3))
    return Traits(person, slope, np.minimum(own_sd, MOST_OWN_SD), offsets)


def draw_innovations(rng: np.random.Generator, world: World, n: int, sessions: int) -> Floats:
    """(n, t, 5) heavy-tailed, variance 1: bond, goal, task, overall, and what they have in common."""
    scale = np.sqrt((world.tail - 2) / world.tail)
    innovations: Floats = scale * np.asarray(rng.standard_t(world.tail, size=(n, sessions, 5)))
    return innovations


def carry_on(world: World, before: Floats, innovations: Floats) -> Floats:
    """One session's autocorrelated noise from that of the session before."""
    phi = world.autocorrelation
    moved: Floats = phi * before + np.sqrt(1 - phi**2) * innovations
    return moved


def mix_noise(world: World, noise: Floats) -> Floats:
    """(n, t, 4) of (n, t, 5): each part's own noise with the common one."""
    own, common = noise[:, :, :4], noise[:, :, 4:]
    mixed: Floats = np.sqrt(world.common) * common + np.sqrt(1 - world.common) * own
    return mixed


def _noise(rng: np.random.Generator, world: World, n: int, sessions: int) -> Floats:
    innovations = draw_innovations(rng, world, n, sessions)
    out = np.empty_like(innovations)
    out[:, 0] = innovations[:, 0]
    for t in range(1, sessions):
        out[:, t] = carry_on(world, out[:, t - 1], innovations[:, t])
    return mix_noise(world, out)


def sessions_from_middle(sessions: NDArray[np.int64]) -> Floats:
    """How long before or after the eighth session levels stand; they rise no more after the sixteenth."""
    from_middle: Floats = np.minimum(sessions, 15.0) - 7.0
    return from_middle


def felt(world: World, traits: Traits, sessions: NDArray[np.int64], mixed: Floats, down: Floats) -> Floats:
    """(n, t, 4) the alliance as felt: bond, goal, task, and overall as their mean.

    Args:
        world: the cohort.
        traits: the clients.
        sessions: (t,) the sessions' numbers from 0.
        mixed: (n, t, 4) noise of `mix_noise`.
        down: (n, t, 3) how far ruptures and bad days hold each component down.
    """
    when = sessions_from_middle(sessions)
    level = np.clip(world.level + traits.person[:, None] + traits.slope[:, None] * when, *LEVELS)
    noise = traits.own_sd[:, None, None] * mixed
    parts = level[:, :, None] + traits.offsets[:, None, :] + noise[:, :, :3] - down
    overall = parts.mean(axis=2, keepdims=True) + OVERALL_NOISE * noise[:, :, 3:]
    return np.concatenate([parts, overall], axis=2)


def _latent(rng: np.random.Generator, world: World, therapist: NDArray[np.int64], courses: Courses) -> Floats:
    n, sessions = therapist.size, int(courses.fall.shape[1])
    traits = draw_traits(rng, world, therapist)
    mixed = _noise(rng, world, n, sessions)
    return felt(world, traits, np.arange(sessions), mixed, np.maximum(courses.fall, courses.bad_day))


def chance_declined(world: World, session: NDArray[np.int64], under_way: Bools) -> Floats:
    """P(the form is declined) at the sessions with these numbers from 0, in a rupture or not."""
    missing = world.missing
    odds = missing.declined / (1 - missing.declined) * missing.declined_growth**session
    odds = np.where(under_way, odds * missing.declined_in_rupture, odds)
    chance: Floats = np.minimum(odds / (1 + odds), 0.7)
    return chance


def chance_to_stop(world: World, unrepaired: Bools) -> Floats:
    """P(this session is the last one) before the planned end."""
    missing = world.missing
    return np.where(unrepaired, missing.drop_out * missing.drop_out_in_rupture, missing.drop_out)


def _declined(rng: np.random.Generator, world: World, courses: Courses) -> Bools:
    n, sessions = courses.under_way.shape
    return rng.random((n, sessions)) < chance_declined(world, np.arange(sessions), courses.under_way)


def _present(rng: np.random.Generator, world: World, courses: Courses, planned: NDArray[np.int64]) -> Bools:
    n, sessions = courses.under_way.shape
    stops = rng.random((n, sessions)) < chance_to_stop(world, courses.unrepaired)
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
    latent = _latent(rng, world, therapist, courses)
    offsets = draw_item_offsets(rng, world)
    marks = give_marks(rng, world, latent, yea, offsets)
    present = _present(rng, world, courses, planned)
    forms = score(world.shape, marks, declined)
    return Cohort(world, offsets, forms, marks, declined, present, courses, therapist)
