"""Simulates a cohort of clients: their forms, and which of their sessions are in a rupture."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from lab.simulator.item_responses import Bools, Floats, draw_item_offsets, draw_marks, score_cohort
from lab.simulator.ruptures import LatentCourses, draw_courses
from lab.simulator.two_state_world import TwoStateWorld
from lab.simulator.world import World, draw_world

CLIENTS_PER_THERAPIST = 8
MAX_SESSIONS = 30
"""Longer treatments add no new patterns."""
LEVEL_BOUNDS = (0.05, 1.1)
"""Lowest and highest level of a client before noise and falls; the felt alliance may exceed them."""
MAX_OWN_SD = 0.3
OVERALL_NOISE = 0.4
"""Weight of the overall component's own noise, which is added to the mean of bond, goal and task."""
MAX_DECLINE_PROBABILITY = 0.7


@dataclass(frozen=True, slots=True)
class Cohort:
    """n simulated clients of one caseload over at most t sessions."""

    world: World | TwoStateWorld
    item_offsets: Floats
    """(items,) of `draw_item_offsets`."""
    forms: Floats
    """(n, t, columns) in the order of `services.detector.domain.form.FORM_COLUMNS`."""
    marks: Floats
    """(n, t, items) on 0 to 1 after reversal; NaN where unanswered."""
    declined: Bools
    """(n, t): the client gave no form."""
    present: Bools
    """(n, t): the session took place."""
    courses: LatentCourses
    therapist: NDArray[np.int64]
    """(n,) number of each client's therapist."""

    @property
    def rupture(self) -> Bools:
        """(n, t): a rupture is under way."""
        return self.courses.under_way


@dataclass(frozen=True, slots=True)
class ClientTraits:
    """What stays constant over a client's sessions, for n clients."""

    person: Floats
    """(n,) difference between the client's level and the cohort's."""
    slope: Floats
    """(n,) rise per session."""
    own_sd: Floats
    """(n,) standard deviation of the client's own session-to-session noise."""
    offsets: Floats
    """(n, 3) offsets of bond, goal and task from the level."""


def draw_traits(
    rng: np.random.Generator, world: World | TwoStateWorld, therapist: NDArray[np.int64]
) -> ClientTraits:
    """Draw the traits of clients whose therapists' numbers are given (n,)."""
    n = therapist.size
    by_therapist = world.therapist_sd * rng.standard_normal(int(therapist.max()) + 1)
    person = world.level_sd * rng.standard_normal(n) + by_therapist[therapist]
    slope = world.slope + world.slope_sd * rng.standard_normal(n)
    own_sd = world.own_sd * np.exp(world.own_log_sd * rng.standard_normal(n) - world.own_level_tilt * person)
    offsets = np.array(world.component_offsets) + world.component_sd * rng.standard_normal((n, 3))
    return ClientTraits(person, slope, np.minimum(own_sd, MAX_OWN_SD), offsets)


def draw_innovations(rng: np.random.Generator, world: World | TwoStateWorld, n: int, sessions: int) -> Floats:
    """Draw (n, t, 5) t-distributed innovations of variance 1: bond, goal, task, overall, and common."""
    df = world.degrees_of_freedom
    innovations: Floats = np.sqrt((df - 2) / df) * np.asarray(rng.standard_t(df, size=(n, sessions, 5)))
    return innovations


def autoregress(world: World | TwoStateWorld, previous: Floats, innovations: Floats) -> Floats:
    """Return a session's noise, of variance 1, from the previous session's (AR(1)); any shape."""
    phi = world.autocorrelation
    noise: Floats = phi * previous + np.sqrt(1 - phi**2) * innovations
    return noise


def mix_noise(world: World | TwoStateWorld, noise: Floats) -> Floats:
    """Return (n, t, 4) noise of the components from (n, t, 5): their own parts, and the common part."""
    own, common = noise[:, :, :4], noise[:, :, 4:]
    mixed: Floats = np.sqrt(world.common) * common + np.sqrt(1 - world.common) * own
    return mixed


def draw_noise(rng: np.random.Generator, world: World | TwoStateWorld, n: int, sessions: int) -> Floats:
    """Draw (n, t, 4) noise of variance 1: bond, goal, task and overall."""
    innovations = draw_innovations(rng, world, n, sessions)
    noise = np.empty_like(innovations)
    noise[:, 0] = innovations[:, 0]
    for t in range(1, sessions):
        noise[:, t] = autoregress(world, noise[:, t - 1], innovations[:, t])
    return mix_noise(world, noise)


def sessions_from_middle(sessions: NDArray[np.int64]) -> Floats:
    """Return the distance in sessions from the eighth; levels no longer rise after the sixteenth.

    >>> sessions_from_middle(np.array([0, 7, 15, 20])).tolist()
    [-7.0, 0.0, 8.0, 8.0]
    """
    from_middle: Floats = np.minimum(sessions, 15.0) - 7.0
    return from_middle


def felt_alliance(
    world: World, traits: ClientTraits, sessions: NDArray[np.int64], mixed_noise: Floats, fall: Floats
) -> Floats:
    """Return the alliance as felt, (n, t, 4): bond, goal, task, and overall around their mean.

    Args:
        world: the cohort's parameters.
        traits: of n clients.
        sessions: (t,) numbers of the sessions, from 0.
        mixed_noise: (n, t, 4) of `mix_noise`.
        fall: (n, t, 3) how far ruptures and bad days lower each component.
    """
    elapsed = sessions_from_middle(sessions)
    level = np.clip(world.level + traits.person[:, None] + traits.slope[:, None] * elapsed, *LEVEL_BOUNDS)
    noise = traits.own_sd[:, None, None] * mixed_noise
    parts = level[:, :, None] + traits.offsets[:, None, :] + noise[:, :, :3] - fall
    overall = parts.mean(axis=2, keepdims=True) + OVERALL_NOISE * noise[:, :, 3:]
    return np.concatenate([parts, overall], axis=2)


def _draw_latent(
    rng: np.random.Generator, world: World, therapist: NDArray[np.int64], courses: LatentCourses
) -> Floats:
    n, sessions = therapist.size, int(courses.fall.shape[1])
    traits = draw_traits(rng, world, therapist)
    noise = draw_noise(rng, world, n, sessions)
    return felt_alliance(world, traits, np.arange(sessions), noise, np.maximum(courses.fall, courses.bad_day))


def decline_probability(world: World, session: NDArray[np.int64], under_way: Bools) -> Floats:
    """Return P(the form is declined) at sessions with these numbers from 0, in a rupture or not."""
    missing = world.missing
    odds = missing.declined / (1 - missing.declined) * missing.declined_growth**session
    odds = np.where(under_way, odds * missing.declined_in_rupture, odds)
    probability: Floats = np.minimum(odds / (1 + odds), MAX_DECLINE_PROBABILITY)
    return probability


def drop_out_probability(world: World, unrepaired: Bools) -> Floats:
    """Return P(this session is the last one) before the planned end; the shape of `unrepaired`."""
    missing = world.missing
    return np.where(unrepaired, missing.drop_out * missing.drop_out_in_rupture, missing.drop_out)


def _draw_declined(rng: np.random.Generator, world: World, courses: LatentCourses) -> Bools:
    n, sessions = courses.under_way.shape
    return rng.random((n, sessions)) < decline_probability(world, np.arange(sessions), courses.under_way)


def _draw_present(
    rng: np.random.Generator, world: World, courses: LatentCourses, planned: NDArray[np.int64]
) -> Bools:
    n, sessions = courses.under_way.shape
    stops = rng.random((n, sessions)) < drop_out_probability(world, courses.unrepaired)
    # A client who stops after session k is absent from k + 1 on.
    gone = np.zeros((n, sessions), dtype=np.bool_)
    gone[:, 1:] = np.cumsum(stops, axis=1)[:, :-1] > 0
    return ~gone & (np.arange(sessions) < planned[:, None])


def simulate(
    rng: np.random.Generator, clients: int, world: World | None = None, sessions: int | None = None
) -> Cohort:
    """Simulate the clients of one cohort.

    Args:
        rng: the only source of chance; the same state gives the same cohort.
        clients: number of clients.
        world: the cohort's parameters; drawn from the priors when None.
        sessions: planned number of sessions of every client; drawn around the world's median when None.
    """
    world = world or draw_world(rng)
    if sessions is None:
        planned = np.exp(rng.normal(np.log(world.sessions), 0.4, clients)).round().astype(np.int64)
        planned = np.clip(planned, 2, MAX_SESSIONS)
    else:
        planned = np.full(clients, sessions, dtype=np.int64)
    longest = int(planned.max())
    therapist = rng.integers(max(clients // CLIENTS_PER_THERAPIST, 1), size=clients)
    courses = draw_courses(rng, world.ruptures, clients, longest)
    yea_sayer = rng.random(clients) < world.yea_sayers
    declined = _draw_declined(rng, world, courses)
    latent = _draw_latent(rng, world, therapist, courses)
    item_offsets = draw_item_offsets(rng, world)
    marks = draw_marks(rng, world, latent, yea_sayer, item_offsets)
    present = _draw_present(rng, world, courses, planned)
    forms = score_cohort(world.instrument, marks, declined)
    return Cohort(world, item_offsets, forms, marks, declined, present, courses, therapist)
