"""Guesses and the next form in, what may have happened to each since out, chosen with the form in view.

For each guess several candidates are drawn: nothing new, ruptures that begin, bad days. One is picked by how
well it explains the form, as a rough normal reckoning has it; the weights make up for the picking, so that
the roughness costs precision only. Clients' traits are picked likewise at the first form.
"""

from dataclasses import dataclass, fields, replace

import numpy as np
from numpy.typing import NDArray

from lab.optimal_filter.observation_model import Asked
from lab.optimal_filter.particles import TRAITS, Bools, Floats, Sums
from lab.simulator.cohort import OVERALL_NOISE
from lab.simulator.ruptures import Onsets, bad_day_falls, draw_onsets

EACH = 3
"""Candidates of each sort."""
_OFTEN, _AT_MOST = 8.0, (0.25, 0.15)
"""Ruptures and bad days are picked as if they were up to eight times as frequent, up to these chances."""
_REACH = np.array([1.0, 1.0, 1.0, 1.0 + OVERALL_NOISE], np.float32)[:, None]
_SPREAD = np.array([1.0, 1.0, 1.0, 1 / 3 + OVERALL_NOISE**2], np.float32)[:, None]
_LEAST = 1e-30
_BLIND = 0.15
_POOL = 1 << 14
_FIRST_CANDIDATES = 8


@dataclass(frozen=True, slots=True)
class Outlook:
    """How well a form would fit, roughly: independent parts (4, n) and one that they have in common."""

    precise: Floats
    """(4, n) one over the variance of each felt component, without what they have in common."""
    shared: Floats
    """(n,) the common noise's variance over one plus its information."""
    asked: Floats
    """(4, n) what the form asks for."""
    scale: Floats
    """(n,) log density at its middle, up to a constant."""
    power: np.float32
    tail: np.float32

    def log_fit(self, expected: Floats) -> Floats:
        """(n,) log-chance of the form, up to a constant, when `expected` (4, n) is felt but for noise."""
        gap = self.asked - expected
        weighed = self.precise * gap
        common = (weighed * _REACH).sum(axis=0)
        far = (weighed * gap).sum(axis=0) - self.shared * common * common
        log: Floats = self.scale + self.power * np.log1p(np.maximum(far, 0) / self.tail)
        return log


def outlook(sums: Sums, own: Floats, yea: Bools, asked: Asked) -> Outlook:
    """Of n guesses whose noise has the standard deviation `own` (n,)."""
    row = yea.astype(np.intp)
    apart, shared = (own * sums.apart) ** 2, (own * sums.shared) ** 2
    precise: Floats = np.float32(1) / (asked.variance.astype(np.float32).T[:, row] + _SPREAD * apart)
    told = (precise * _REACH * _REACH).sum(axis=0)
    tail = np.float32(sums.world.tail)
    return Outlook(
        precise=precise,
        shared=shared / (1 + shared * told),
        asked=asked.mean.astype(np.float32).T[:, row],
        scale=0.5 * (np.log(precise).sum(axis=0) - np.log(1 + shared * told)),
        power=np.float32(-(tail + 4) / 2),
        tail=tail,
    )


class Choice:
    """Picks for clients of one world."""

    def __init__(self, rng: np.random.Generator, sums: Sums) -> None:
        """What may begin is drawn once, and used from anywhere in it."""
        self._rng, self._sums, self._ruptures = rng, sums, sums.world.ruptures
        self._onsets = draw_onsets(rng, self._ruptures, _POOL)
        first = self._onsets.weights * (self._onsets.depth / self._onsets.ramp)[:, None]
        self._first_fall: Floats = np.ascontiguousarray(first.T, dtype=np.float32)
        bad = bad_day_falls(rng, self._ruptures, np.ones(_POOL, dtype=np.bool_))
        self._bad_fall: Floats = np.ascontiguousarray(bad.T, dtype=np.float32)

    def look(self, likely: Outlook | None, expected: Floats, own: Floats) -> "Look":
        """Which ruptures and bad days are worth trying for a client at this session, over all guesses.

        Args:
            likely: of the form; None when there is none.
            expected: (4, n) what would be felt if nothing held the client down.
            own: (n,) standard deviation of the innovations.
        """
        if likely is None:
            return Look(None, None)
        middle = expected.mean(axis=1, keepdims=True)
        wide = (1 / likely.precise).mean(axis=1, keepdims=True) + expected.var(axis=1, keepdims=True)
        precise = 1 / wide
        shared = np.float32((own * own).mean()) * self._sums.shared**2
        told = (precise * _REACH * _REACH).sum(axis=0)
        rough = replace(
            likely,
            precise=precise,
            shared=shared / (1 + shared * told),
            asked=likely.asked.mean(axis=1, keepdims=True),
            scale=np.zeros(1, np.float32),
        )
        pools = (self._first_fall, self._bad_fall)
        return Look(*(_Cast(self._rng, rough.log_fit(_lowered(middle, pool))) for pool in pools))

    def _drawn(self, look: "Look", fall: Floats) -> "_Drawn":
        size = fall.shape[1]
        ruptures = [self._some(look.ruptures, size) for _ in range(EACH)]
        days = [self._some(look.days, size) for _ in range(EACH)]
        downs = [fall]
        downs += [np.maximum(fall, self._first_fall.take(some, axis=1)) for some, _ in ruptures]
        bad = [self._bad_fall.take(some, axis=1) for some, _ in days]
        downs += [np.maximum(fall, some) for some in bad]
        downs.append(np.maximum(downs[1], bad[0]))
        rarer = [ratio for _, ratio in (*ruptures, *days)]
        ratios = np.stack([np.ones(size), *rarer, rarer[0] * rarer[EACH]])
        return _Drawn([some for some, _ in ruptures], bad, downs, ratios)

    def _some(self, cast: "_Cast | None", size: int) -> tuple[NDArray[np.intp], NDArray[np.float64]]:
        if cast is None:
            places = (np.arange(size) + int(self._rng.integers(_POOL))) % _POOL
            return places, np.ones(size)
        return cast.draw(size)

    def _tilted(self, chance: NDArray[np.float64]) -> NDArray[np.float64]:
        bad = self._ruptures.bad_day
        most_rupture, most_bad = _AT_MOST
        return _masses(
            np.maximum(chance, np.minimum(_OFTEN * chance, most_rupture)),
            np.full(chance.size, max(bad, min(_OFTEN * bad, most_bad))),
        )

    def fit(
        self, look: "Look", likely: Outlook, expected: Floats, fall: Floats, chance: NDArray[np.float64]
    ) -> NDArray[np.float64]:
        """(n,) roughly the log-chance of the form, whatever happens; arguments as of `happened`."""
        drawn = self._drawn(look, fall)
        log = np.stack([likely.log_fit(_lowered(expected, down)) for down in drawn.downs])
        most = log.max(axis=0)
        weighed = self._tilted(chance) * drawn.ratios * np.exp(log - most)
        found: NDArray[np.float64] = most + np.log(weighed.sum(axis=0))
        return found

    def happened(
        self,
        look: "Look",
        likely: Outlook | None,
        expected: Floats,
        fall: Floats,
        chance: NDArray[np.float64],
    ) -> "Happened":
        """What begins at this session.

        Args:
            look: at this form.
            likely: of the form; None when there is none.
            expected: (4, n) what would be felt if nothing held the client down.
            fall: (3, n) how far ruptures that go on hold the client down.
            chance: (n,) that a rupture begins.
        """
        size = chance.size
        drawn = self._drawn(look, fall)
        prior = _masses(chance, np.full(size, self._ruptures.bad_day)) * drawn.ratios
        picked = self._tilted(chance) * drawn.ratios
        if likely is not None:
            log = np.stack([likely.log_fit(_lowered(expected, down)) for down in drawn.downs])
            fitting = picked * np.exp(log - log.max(axis=0))
            # Some are picked whatever the form says, so that no weight can explode.
            picked = (1 - _BLIND) * fitting / fitting.sum(axis=0) + _BLIND * picked / picked.sum(axis=0)
        total = picked.cumsum(axis=0)
        which = (self._rng.random(size) * total[-1] >= total).sum(axis=0)
        last = len(drawn.downs) - 1
        which = np.minimum(which, last)
        at = np.arange(size)
        share = picked[which, at] / total[-1]
        begins = (which >= 1) & (which <= EACH) | (which == last)
        turn = np.where(which == last, 0, which - 1)[begins]
        new = np.stack(drawn.ruptures)[turn, at[begins]]
        day = np.where(which == last, 0, np.maximum(which - 1 - EACH, 0))
        return Happened(
            down=np.stack(drawn.downs)[which, :, at].T,
            bad=np.where(which > EACH, np.stack(drawn.bad)[day, :, at].T, np.float32(0)),
            begins=begins,
            onsets=Onsets(*(getattr(self._onsets, field.name)[new] for field in fields(Onsets))),
            log_weight=np.log(np.maximum(prior[which, at] / np.maximum(share, _LEAST), _LEAST)),
        )

    def traits(self, yea: Bools, asked: Asked) -> tuple[Floats, NDArray[np.float64]]:
        """Traits (6, n) that make the first form likely, and their log-weights (n,)."""
        size, sums, rng = yea.size, self._sums, self._rng
        kept = np.zeros((TRAITS, size), np.float32)
        kept_log = np.full(size, -np.inf)
        total = np.full(size, -np.inf)
        nothing = np.zeros((5, size), np.float32)
        for _ in range(_FIRST_CANDIDATES):
            new = rng.standard_normal((TRAITS, size), dtype=np.float32)
            steady = sums.steady(new)
            expected = sums.felt(steady, 0, nothing, nothing[:3])
            log = outlook(sums, steady.own_sd, yea, asked).log_fit(expected).astype(np.float64)
            total = np.logaddexp(total, log)
            takes = np.log(rng.random(size)) < log - total
            np.copyto(kept, new, where=takes)
            np.copyto(kept_log, log, where=takes)
        return kept, total - np.log(_FIRST_CANDIDATES) - kept_log


class _Cast:
    """Draws from a pool, mostly what fits."""

    def __init__(self, rng: np.random.Generator, log: Floats) -> None:
        likely = np.exp(log - log.max(), dtype=np.float64)
        chance = (1 - _BLIND) * likely / likely.sum() + _BLIND / log.size
        self._rng, self._rarer, self._total = rng, 1 / (chance * log.size), np.cumsum(chance)
        self._sorted = np.empty(0, dtype=np.intp)

    def draw(self, size: int) -> tuple[NDArray[np.intp], NDArray[np.float64]]:
        """Places in the pool, and how much likelier each is in it than it was drawn."""
        if self._sorted.size != size:
            places = (np.arange(size) + self._rng.random(size)) / size * self._total[-1]
            self._sorted = np.minimum(np.searchsorted(self._total, places), self._total.size - 1)
        # Guesses stand in no order, so turning the draws round is as good as drawing again.
        which = np.roll(self._sorted, int(self._rng.integers(size)))
        return which, self._rarer[which]


@dataclass(frozen=True, slots=True)
class Look:
    """What is worth trying; None where anything is."""

    ruptures: _Cast | None
    days: _Cast | None


@dataclass(frozen=True, slots=True)
class _Drawn:
    ruptures: list[NDArray[np.intp]]
    bad: list[Floats]
    downs: list[Floats]
    ratios: NDArray[np.float64]
    """(candidates, n) how much likelier each is than it was drawn."""


@dataclass(frozen=True, slots=True)
class Happened:
    """What was picked for each of n guesses."""

    down: Floats
    """(3, n) how far everything together holds each component down."""
    bad: Floats
    """(3, n) how far bad days do."""
    begins: Bools
    onsets: Onsets
    """Of those that begin."""
    log_weight: NDArray[np.float64]


def _masses(rupture: NDArray[np.float64], bad: NDArray[np.float64]) -> NDArray[np.float64]:
    """(candidates, n) chances: nothing, each rupture, each bad day, both at once."""
    each_rupture, each_bad = rupture * (1 - bad) / EACH, (1 - rupture) * bad / EACH
    return np.stack([(1 - rupture) * (1 - bad), *[each_rupture] * EACH, *[each_bad] * EACH, rupture * bad])


def _lowered(expected: Floats, down: Floats) -> Floats:
    lower: Floats = np.empty((4, down.shape[1]), np.float32)
    np.subtract(expected[:3], down, out=lower[:3])
    np.subtract(expected[3], down.sum(axis=0) / np.float32(3), out=lower[3])
    return lower
