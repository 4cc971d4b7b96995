"""A cohort and its own parameters in, the best that anyone could say of its forms out: P(rupture | forms).

A particle filter over the simulator's own model: each particle is a client as the simulator would draw one,
moved from session to session by the simulator's functions, and weighed by how well it explains the form given
and that the client came at all. It knows what no detector knows: the cohort's parameters, down to how its
items differ. Rare beginnings are proposed more often than they happen, and weighed accordingly.
"""

from collections.abc import Callable
from dataclasses import dataclass, fields

import numpy as np
from numpy.typing import NDArray

from services.detector.model.optimal_forms import FormChances, FormTables
from services.detector.model.optimal_noise import Guide
from services.detector.model.ruptures import (
    Episodes,
    bad_day_falls,
    begin,
    chance_of_onset,
    draw_onsets,
    held_down,
    none_yet,
)
from services.detector.model.simulate import (
    Cohort,
    Traits,
    carry_on,
    chance_declined,
    chance_to_stop,
    draw_innovations,
    draw_traits,
    felt,
    mix_noise,
)
from services.detector.model.world import World

Floats = NDArray[np.float64]
Bools = NDArray[np.bool_]

PARTICLES = 16_000
_FIRST = 8
"""So many times more particles at the first form, and half as many at each one after that.

The first forms tell most about what stays the same over all sessions and is never drawn again.
"""
_LEAST = 1e-300
_RESAMPLE_BELOW = 0.5
"""Share of the particles that must still count, or they are drawn anew."""


@dataclass(slots=True)
class _Particles:
    traits: Traits
    yea: Bools
    noise: Floats
    episodes: Episodes
    unrepaired: Bools
    log_weight: Floats


def _more_often(rng: np.random.Generator, chance: Floats, at_most: float) -> tuple[Bools, Floats]:
    """Events that happen with `chance` (n,), proposed up to eight times as often: (which, log-weights)."""
    proposed = np.maximum(chance, np.minimum(8 * chance, at_most))
    happens = rng.random(chance.size) < proposed
    weight = np.where(happens, chance / np.maximum(proposed, _LEAST), (1 - chance) / (1 - proposed))
    return happens, np.log(np.maximum(weight, _LEAST))


def _begin(rng: np.random.Generator, world: World, size: int) -> _Particles:
    yea, log_weight = _more_often(rng, np.full(size, world.yea_sayers), 0.3)
    # Each particle has a therapist of its own: what colleagues' clients say is not used.
    traits = draw_traits(rng, world, np.arange(size))
    nobody = np.zeros(size, dtype=np.bool_)
    return _Particles(traits, yea, np.zeros((size, 5)), none_yet(size), nobody, log_weight)


def _picked(particles: _Particles, which: NDArray[np.intp]) -> _Particles:
    traits = Traits(*(getattr(particles.traits, field.name)[which] for field in fields(Traits)))
    episodes = Episodes(*(getattr(particles.episodes, field.name)[which] for field in fields(Episodes)))
    return _Particles(
        traits,
        particles.yea[which],
        particles.noise[which],
        episodes,
        particles.unrepaired[which],
        np.zeros(which.size),
    )


def _move(
    rng: np.random.Generator, world: World, particles: _Particles, session: int, form: FormTables | None
) -> tuple[Floats, Bools]:
    """One session on: what is felt (n, 4), and whether a rupture is under way (n,)."""
    size = particles.yea.size
    down, under_way = np.zeros((size, 3)), np.zeros(size, dtype=np.bool_)
    if session > 0:
        stayed = 1 - chance_to_stop(world, particles.unrepaired)
        begins, weight = _more_often(rng, chance_of_onset(world.ruptures, particles.episodes), 0.25)
        particles.log_weight += np.log(np.maximum(stayed, _LEAST)) + weight
        onsets = draw_onsets(rng, world.ruptures, int(begins.sum()))
        begin(particles.episodes, begins, onsets)
        down, under_way = held_down(particles.episodes)
        particles.unrepaired = under_way & particles.episodes.lasting
    bad, weight = _more_often(rng, np.full(size, world.ruptures.bad_day), 0.15)
    particles.log_weight += weight
    falls = bad_day_falls(rng, world.ruptures, np.ones(int(bad.sum()), dtype=np.bool_))
    down[bad] = np.maximum(down[bad], falls)
    expected = _feels(world, particles, carry_on(world, particles.noise, np.zeros((size, 5))), session, down)
    if form is None:
        innovations = draw_innovations(rng, world, size, 1)[:, 0]
    else:
        fresh = 1.0 if session == 0 else np.sqrt(1 - world.autocorrelation**2)
        own = fresh * particles.traits.own_sd
        innovations, weight = Guide(rng, world).draw(expected, own, particles.yea, form.asked)
        particles.log_weight += weight
    particles.noise = carry_on(world, particles.noise, innovations) if session > 0 else innovations
    return _feels(world, particles, particles.noise, session, down), under_way


def _feels(world: World, particles: _Particles, noise: Floats, session: int, down: Floats) -> Floats:
    mixed = mix_noise(world, noise[:, None])
    return felt(world, particles.traits, np.array([session]), mixed, down[:, None])[:, 0]


def follow(
    rng: np.random.Generator, world: World, forms: list[FormTables | None], particles: int = PARTICLES
) -> Floats:
    """(t,) P(a rupture is under way | forms so far) of one client; None for a form that was declined."""
    guesses = _begin(rng, world, _FIRST * particles)
    risk = np.empty(len(forms))
    for session, form in enumerate(forms):
        feels, under_way = _move(rng, world, guesses, session, form)
        declines = chance_declined(world, np.array(session), under_way)
        chance = declines if form is None else 1 - declines
        guesses.log_weight += np.log(np.maximum(chance, _LEAST))
        if form is not None:
            guesses.log_weight += form.log_chance(world, feels, guesses.yea)
        guesses.log_weight -= guesses.log_weight.max()
        weight = np.exp(guesses.log_weight)
        weight /= weight.sum()
        risk[session] = weight @ under_way
        keep = max(particles, weight.size // 2)
        if keep < weight.size or 1 / (weight @ weight) < _RESAMPLE_BELOW * keep:
            guesses = _picked(guesses, _resampled(rng, weight, keep))
    return np.clip(risk, 0.0, 1.0)


def _resampled(rng: np.random.Generator, weight: Floats, keep: int) -> NDArray[np.intp]:
    """`keep` particles, systematically: each as often as its weight, to less than one."""
    places = (np.arange(keep) + rng.random()) / keep
    return np.minimum(np.searchsorted(np.cumsum(weight), places), weight.size - 1)


def optimal_risk(
    cohort: Cohort, seed: int = 0, particles: int = PARTICLES, told: Callable[[int], None] | None = None
) -> Floats:
    """(n, t) the optimal filter's risk at every session that took place, NaN elsewhere.

    The same cohort, seed and number of particles give the same risks; `told` hears how many clients are done.
    """
    chances = FormChances(cohort.world, cohort.item_offsets)
    risk = np.full(cohort.present.shape, np.nan)
    for client in range(len(risk)):
        times = np.nonzero(cohort.present[client])[0].tolist()
        forms = [
            None if cohort.declined[client, t] else chances.tables(cohort.marks[client, t]) for t in times
        ]
        rng = np.random.default_rng([seed, client])
        risk[client, times] = follow(rng, cohort.world, forms, particles)
        if told is not None:
            told(client + 1)
    return risk
