"""A cohort and its own parameters in, the best that anyone could say of its forms out: P(rupture | forms).

A particle filter over the simulator's own model: each particle is a guess at a client, moved from session to
session as the simulator would, and weighed by how well it explains the form given and that the client came at
all. It knows what no detector knows: the cohort's parameters, down to how its items differ. Rare beginnings
are proposed more often than they happen, noise is proposed where the form asks for it, both weighed
accordingly; after every form the guesses that are kept are moved about (`optimal_moves`).
"""

from collections.abc import Callable
from dataclasses import fields

import numpy as np
from numpy.typing import NDArray

from lab.optimal_filter.event_proposals import Choice, Look, Outlook, outlook
from lab.optimal_filter.mcmc_moves import Moves
from lab.optimal_filter.noise_proposals import Guide
from lab.optimal_filter.observation_model import FormChances, FormTables
from lab.optimal_filter.particles import TRAITS, Guesses, Sums
from lab.simulator.cohort import Cohort, chance_declined, chance_to_stop
from lab.simulator.ruptures import Episodes, begin, chance_of_onset, go_on, held_down, none_yet
from lab.simulator.world import World

Floats = NDArray[np.float64]
Floats32 = NDArray[np.float32]
Bools = NDArray[np.bool_]

PARTICLES = 4_000
_FIRST = 2
"""So many times more particles at the first form, and half as many at each one after that.

The first forms tell most about what stays the same over all sessions.
"""
_LEAST = 1e-300
_LONG = 2
_LEAST_SHARE, _MOST_OFTEN = 0.2, 30.0
_TRAIT_MOVES = 1
_EARLIER = 2
"""So many earlier sessions are moved after each form, besides the last one."""


def _more_often(rng: np.random.Generator, chance: Floats, at_most: float) -> tuple[Bools, Floats]:
    """Events that happen with `chance` (n,), proposed up to eight times as often: (which, log-weights)."""
    proposed = np.maximum(chance, np.minimum(8 * chance, at_most))
    happens = rng.random(chance.size) < proposed
    weight = np.where(happens, chance / np.maximum(proposed, _LEAST), (1 - chance) / (1 - proposed))
    return happens, np.log(np.maximum(weight, _LEAST))


class Filter:
    """The optimal filter of one world."""

    def __init__(self, rng: np.random.Generator, world: World) -> None:
        self._rng, self._world = rng, world
        self._sums = Sums(world)
        self._choice = Choice(rng, self._sums)
        self._guide = Guide(rng, self._sums)
        self._moves = Moves(rng, self._sums, world)

    def follow(self, forms: list[FormTables | None], particles: int = PARTICLES) -> Floats:
        """(t,) P(a rupture is under way | forms so far) of one client; None for a form that was declined."""
        guesses = self._start(_FIRST * particles, len(forms))
        risk = np.empty(len(forms))
        for session, form in enumerate(forms):
            look = None
            if session > 0 and form is not None:
                guesses, look = self._ahead(guesses, session, form)
            under_way = self._move(guesses, session, form, look)
            declines = chance_declined(self._world, np.array(session), under_way)
            chance = declines if form is None else 1 - declines
            guesses.log_weight += np.log(np.maximum(chance, _LEAST))
            guesses.log_weight -= guesses.log_weight.max()
            weight = np.exp(guesses.log_weight)
            weight /= weight.sum()
            risk[session] = weight @ under_way
            keep = max(particles, weight.size // 2)
            if session + 1 < len(forms):
                guesses = self._kept(guesses, weight, keep, session + 1)
                self._stir(guesses, session, forms)
        return np.clip(risk, 0.0, 1.0)

    def _ahead(self, guesses: Guesses, session: int, form: FormTables) -> tuple[Guesses, Look]:
        """The guesses from which the form can be explained, more often; weights make up for it."""
        sums = self._sums
        steady = sums.steady(guesses.traits)
        before = guesses.noise[session - 1] * sums.carried
        free = sums.felt(steady, session, before, np.zeros((3, guesses.size), np.float32))
        likely = outlook(sums, sums.fresh * steady.own_sd, guesses.yea, form.asked)
        episodes = Episodes(*(getattr(guesses.episodes, field.name).copy() for field in fields(Episodes)))
        chance = chance_of_onset(self._world.ruptures, episodes)
        go_on(episodes)
        held = np.ascontiguousarray(held_down(episodes)[0].T, dtype=np.float32)
        look = self._choice.look(likely, free, sums.fresh * steady.own_sd)
        log = self._choice.fit(look, likely, free, held, chance)
        ahead = np.exp(guesses.log_weight + log - (guesses.log_weight + log).max())
        picked = self._kept(guesses, ahead / ahead.sum(), guesses.size, session, -log)
        return picked, look

    def _kept(
        self, guesses: Guesses, weight: Floats, keep: int, sessions: int, more: Floats | float = 0.0
    ) -> Guesses:
        """`keep` guesses, as often as their weight says, but of each fate (n,) not too few.

        How likely a rupture is that has gone on for long is compared with a lower level over many sessions:
        too few guesses at either would make that comparison a matter of chance.
        """
        episodes = guesses.episodes
        fate = np.where(episodes.active, 1 + (episodes.age >= _LONG), 0)
        mass = np.bincount(fate, weights=weight, minlength=3)
        wanted = np.maximum(mass, np.minimum(_LEAST_SHARE, _MOST_OFTEN * mass))
        often = (wanted / np.maximum(mass, _LEAST))[fate]
        often /= often @ weight
        which = self._resampled(weight * often, keep)
        kept = guesses.picked(which, sessions)
        kept.log_weight = (more - np.log(np.maximum(often, _LEAST)))[which]
        return kept

    def _start(self, size: int, sessions: int) -> Guesses:
        yea, log_weight = _more_often(self._rng, np.full(size, self._world.yea_sayers), 0.3)
        # Each guess has a therapist of its own: what colleagues' clients say is not used.
        return Guesses(
            traits=self._rng.standard_normal((TRAITS, size), dtype=np.float32),
            yea=yea,
            noise=np.zeros((sessions, 5, size), np.float32),
            down=np.zeros((sessions, 3, size), np.float32),
            share=np.zeros((sessions, size), np.float32),
            rest=np.zeros((sessions, 3, size), np.float32),
            form_log=np.zeros((sessions, size), np.float32),
            episodes=none_yet(size),
            unrepaired=np.zeros(size, dtype=np.bool_),
            log_weight=log_weight,
        )

    def _move(self, guesses: Guesses, session: int, form: FormTables | None, look: Look | None) -> Bools:
        """One session on: (n,) whether a rupture is under way."""
        world, sums, size = self._world, self._sums, guesses.size
        if session == 0 and form is not None:
            guesses.traits, weight = self._choice.traits(guesses.yea, form.asked)
            guesses.log_weight += weight
        steady = sums.steady(guesses.traits)
        before = guesses.noise[session - 1] * sums.carried if session else guesses.noise[0]
        own = steady.own_sd * (sums.fresh if session else np.float32(1))
        likely = None if form is None else outlook(sums, own, guesses.yea, form.asked)
        free = sums.felt(steady, session, before, np.zeros((3, size), np.float32))
        look = look or self._choice.look(likely, free, own)
        under_way = self._go_on(guesses, session, look, likely, free)
        if form is None:
            fresh = sums.fresh if session else np.float32(1)
            guesses.noise[session] = before + fresh * self._guide.blind(5, size)
            return under_way
        expected = sums.felt(steady, session, before, guesses.down[session])
        innovations, more = self._guide.draw(expected, own, guesses.yea, form.asked)
        guesses.noise[session] = before + (own / steady.own_sd) * innovations
        felt = sums.felt(steady, session, guesses.noise[session], guesses.down[session])
        told = form.log_chance(world, felt, guesses.yea)
        guesses.form_log[session] = told
        guesses.log_weight += more
        guesses.log_weight += told
        return under_way

    def _go_on(
        self, guesses: Guesses, session: int, look: Look, likely: Outlook | None, free: Floats32
    ) -> Bools:
        """What holds down at this session: (n,) whether a rupture is under way."""
        episodes, size = guesses.episodes, guesses.size
        chance, fall, under_way = np.zeros(size), np.zeros((size, 3)), np.zeros(size, dtype=np.bool_)
        if session > 0:
            stayed = 1 - chance_to_stop(self._world, guesses.unrepaired)
            guesses.log_weight += np.log(np.maximum(stayed, _LEAST))
            chance = chance_of_onset(self._world.ruptures, episodes)
            go_on(episodes)
            fall, under_way = held_down(episodes)
        held = np.ascontiguousarray(fall.T, dtype=np.float32)
        new = self._choice.happened(look, likely, free, held, chance)
        begin(episodes, new.begins, new.onsets)
        episodes.rest[new.begins] = 1
        under_way |= new.begins
        guesses.unrepaired = under_way & episodes.lasting
        guesses.down[session] = new.down
        guesses.rest[session] = new.bad
        share = fall.max(axis=1) / np.maximum(episodes.depth, _LEAST)
        guesses.share[session] = np.where(new.begins, 1 / episodes.ramp, share)
        earlier = slice(0, session), slice(None), new.begins
        guesses.rest[earlier] = guesses.down[earlier]
        guesses.share[:session, new.begins] = 0
        guesses.log_weight += new.log_weight
        return under_way

    def _stir(self, guesses: Guesses, session: int, forms: list[FormTables | None]) -> None:
        sessions = session + 1
        earlier = self._rng.permutation(session)[:_EARLIER].tolist()
        for at in (session, *earlier):
            self._moves.session(guesses, at, sessions, forms[at])
        for _ in range(_TRAIT_MOVES):
            self._moves.traits(guesses, sessions)
            self._moves.depth(guesses, sessions)
        self._moves.ends(guesses)

    def _resampled(self, weight: Floats, keep: int) -> NDArray[np.intp]:
        """`keep` particles, systematically: each as often as its weight, to less than one; in any order."""
        places = (np.arange(keep) + self._rng.random()) / keep
        which = np.minimum(np.searchsorted(np.cumsum(weight), places), weight.size - 1)
        self._rng.shuffle(which)
        return which


def optimal_risk(
    cohort: Cohort, seed: int = 0, particles: int = PARTICLES, told: Callable[[int], None] | None = None
) -> Floats:
    """(n, t) the optimal filter's risk at every session that took place, NaN elsewhere.

    The same cohort, seed and number of particles give the same risks; `told` hears how many clients are done.
    """
    chances = FormChances(cohort.world, cohort.item_offsets)
    best = Filter(np.random.default_rng([seed, 0]), cohort.world)
    risk = np.full(cohort.present.shape, np.nan)
    for client in range(len(risk)):
        times = np.nonzero(cohort.present[client])[0].tolist()
        forms = [
            None if cohort.declined[client, t] else chances.tables(cohort.marks[client, t]) for t in times
        ]
        risk[client, times] = best.follow(forms, particles)
        if told is not None:
            told(client + 1)
    return risk
