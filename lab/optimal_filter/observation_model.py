"""Computes P(form | alliance as felt) for thousands of particles, from tables that are made once per form.

A mark is what the client intends, rounded to the nearest step, so its probability is that of the interval
that rounds to it; the intervals of the lowest and the highest mark are open-ended. Items are independent
given the four felt components, or, in a straight-lined form, all equal to their rounded mean. Which items are
unanswered does not depend on the alliance, so it cancels out.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.special import ndtr

from lab.simulator.instruments import item_components
from lab.simulator.item_responses import YEA_SAYER_LIFT, YEA_SAYER_NOISE
from lab.simulator.world import World
from schemas.instruments.instrument import Instrument

Floats = NDArray[np.float64]
Floats32 = NDArray[np.float32]
Bools = NDArray[np.bool_]

_LOWEST, _HIGHEST, _STEPS_PER_UNIT = -1.5, 2.5, 400
"""Tables have 400 points per unit of the felt alliance, and are interpolated linearly."""
_MIN_PROBABILITY = 1e-280
_MIN_SD = 1e-6
_NO_INFORMATION = 1e6
"""Variance of a component that no item was answered about."""
_MARGIN = 0.4
"""Moments are taken over felt values up to this far beyond the scale; they guide proposals only."""


@dataclass(frozen=True, slots=True)
class FormMoments:
    """Mean and variance of each felt component given a form, under a flat prior.

    The first row is for ordinary clients, the second for yea-sayers.
    """

    mean: Floats
    """(2, 4)"""
    variance: Floats
    """(2, 4)"""


@dataclass(frozen=True, slots=True)
class FormTables:
    """Log-likelihoods of one form by the felt alliance; two rows each: ordinary clients, yea-sayers."""

    components: tuple[Floats32 | None, ...]
    """Per component (2, points); None where no item of it was answered."""
    straight: Floats32 | None
    """(2, points) by the mean felt over the items; None where the marks differ."""
    moments: FormMoments

    def log_likelihood(self, world: World, felt: Floats32, yea_sayer: Bools) -> Floats32:
        """Return (n,) log P(form | felt) for n particles that feel `felt` (4, n)."""
        row = yea_sayer.astype(np.int32)
        by_item = np.full(yea_sayer.size, _log(1.0 - world.straight), dtype=np.float32)
        for component, table in enumerate(self.components):
            if table is not None:
                by_item += _interpolate(table, row, felt[component])
        if self.straight is None or world.straight <= 0:
            return by_item
        shares = component_shares(world.instrument).astype(np.float32)
        mean = (felt * shares[:, None]).sum(axis=0)
        straight: Floats32 = np.float32(_log(world.straight)) + _interpolate(self.straight, row, mean)
        either: Floats32 = np.logaddexp(by_item, straight)
        return either


def component_shares(instrument: Instrument) -> Floats:
    """Return (4,) the share of the items that belongs to each component."""
    return np.bincount(item_components(instrument), minlength=4) / instrument.items


def _log(probability: float) -> float:
    return float(np.log(max(probability, _MIN_PROBABILITY)))


def _interpolate(table: Floats32, row: NDArray[np.int32], at: Floats32) -> Floats32:
    points = table.shape[1]
    position = (at - np.float32(_LOWEST)) * np.float32(_STEPS_PER_UNIT)
    np.clip(position, np.float32(0), np.float32(points - 1.001), out=position)
    left = position.astype(np.int32)
    position -= left
    flat = table.ravel()
    left += row * points
    low = flat.take(left)
    left += 1
    value: Floats32 = low + position * (flat.take(left) - low)
    return value


def log_mark_probability(mark: float, step: float, intended: Floats, sd: float) -> Floats:
    """Return log P(mark) elementwise, for intended marks with mean `intended` and standard deviation `sd`.

    >>> log_mark_probability(0.5, 0.25, np.array([0.5]), 0.125).round(3).tolist()
    [-0.382]
    """
    scale = max(sd, _MIN_SD)
    low = -np.inf if mark < step / 2 else mark - step / 2
    high = np.inf if mark > 1 - step / 2 else mark + step / 2
    a, b = (low - intended) / scale, (high - intended) / scale
    # An interval above the mean is mirrored, because differences near 1 would cancel.
    upper = a > 0
    probability = ndtr(np.where(upper, -a, b)) - ndtr(np.where(upper, -b, a))
    logged: Floats = np.log(np.maximum(probability, _MIN_PROBABILITY))
    return logged


class FormTableBuilder:
    """Makes the tables of a cohort's forms; the table of each item and mark is computed once."""

    def __init__(self, world: World, item_offsets: Floats) -> None:
        """Take the cohort's parameters and its items' offsets (items,)."""
        self._world = world
        self._offsets = item_offsets
        self._components = np.array(item_components(world.instrument))
        self._grid = np.linspace(_LOWEST, _HIGHEST, round((_HIGHEST - _LOWEST) * _STEPS_PER_UNIT) + 1)
        self._plausible = (self._grid > -_MARGIN) & (self._grid < 1 + _MARGIN)
        self._cache: dict[tuple[int, float], Floats] = {}

    def tables(self, marks: Floats) -> FormTables:
        """Return the tables of one form with these marks (items,), NaN where unanswered."""
        answered = np.nonzero(~np.isnan(marks))[0]
        parts = []
        for component in range(4):
            items = answered[self._components[answered] == component]
            logs = [self._item(item, float(marks[item])) for item in items.tolist()]
            parts.append(np.add.reduce(logs) if logs else None)
        same = answered.size > 0 and float(np.ptp(marks[answered])) < 1e-9
        straight = self._mean(float(marks[answered[0]])) if same else None
        return FormTables(
            tuple(None if part is None else part.astype(np.float32) for part in parts),
            None if straight is None else straight.astype(np.float32),
            self._moments(parts),
        )

    def _moments(self, parts: list[Floats | None]) -> FormMoments:
        mean, variance = np.zeros((2, 4)), np.full((2, 4), _NO_INFORMATION)
        for component, table in enumerate(parts):
            if table is not None:
                likelihood = np.exp(table - table.max(axis=1, keepdims=True))[:, self._plausible]
                likelihood /= likelihood.sum(axis=1, keepdims=True)
                at = self._grid[self._plausible]
                mean[:, component] = likelihood @ at
                variance[:, component] = likelihood @ at**2 - mean[:, component] ** 2 + _MIN_SD
        return FormMoments(mean, variance)

    def _item(self, item: int, mark: float) -> Floats:
        return self._table(item, mark, float(self._offsets[item]), self._world.item_noise)

    def _mean(self, mark: float) -> Floats:
        sd = self._world.item_noise / np.sqrt(self._offsets.size)
        return self._table(-1, mark, float(self._offsets.mean()), sd)

    def _table(self, item: int, mark: float, offset: float, sd: float) -> Floats:
        key = (item, round(mark, 9))
        if key not in self._cache:
            step = self._world.instrument.unit_step
            intended = self._grid + offset
            rows = [
                log_mark_probability(mark, step, intended, sd),
                log_mark_probability(mark, step, intended + YEA_SAYER_LIFT, sd * YEA_SAYER_NOISE),
            ]
            self._cache[key] = np.stack(rows)
        return self._cache[key]
