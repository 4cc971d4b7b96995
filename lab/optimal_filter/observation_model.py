"""A cohort's marks in, P(form | alliance as felt) out, for thousands of guesses at what a client feels.

A mark is what the client wanted to give, rounded to the nearest step: its probability is that of the whole
interval that rounds to it, open-ended at the lowest and at the highest mark. Items are independent given the
four felt components, or, in a straight-lined form, all the same rounding of their mean. Which items stay
open says nothing about the alliance and cancels out.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.special import ndtr

from lab.simulator.instruments import ItemShape
from lab.simulator.item_responses import OFF_THE_TOP, YEA_NOISE
from lab.simulator.world import World

Floats = NDArray[np.float64]
Floats32 = NDArray[np.float32]
Bools = NDArray[np.bool_]

_LOWEST, _HIGHEST, _STEPS_PER_UNIT = -1.5, 2.5, 400
"""Log-chances are tabulated at 400 points per unit of what is felt, and read off linearly in between."""
_LEAST = 1e-280
_LEAST_SD = 1e-6
_NOTHING = 1e6
_BEYOND = 0.4
"""How far beyond the ends of the scale a felt alliance is looked for; only to guide, never to exclude."""


@dataclass(frozen=True, slots=True)
class Asked:
    """What a form asks for: mean and variance of each felt component, were all equally likely before.

    (2, 4) each: others, and yea-sayers; a variance of `_NOTHING` where no item was answered.
    """

    mean: Floats
    variance: Floats


@dataclass(frozen=True, slots=True)
class FormTables:
    """Log-chances of one form's marks by what is felt; two rows each: others, and yea-sayers."""

    parts: tuple[Floats32 | None, ...]
    """Per component (2, points); None where no item of it was answered."""
    straight: Floats32 | None
    """(2, points) by the mean felt over the items; None where the marks differ."""

    asked: Asked

    def log_chance(self, world: World, felt: Floats32, yea: Bools) -> Floats32:
        """(n,) for n guesses at what is felt (4, n) by one who is a yea-sayer (n,) or not."""
        row = yea.astype(np.int32)
        apart = np.full(yea.size, _log(1.0 - world.straight), dtype=np.float32)
        for component, table in enumerate(self.parts):
            if table is not None:
                apart += _read(table, row, felt[component])
        if self.straight is None or world.straight <= 0:
            return apart
        shares = component_shares(world.shape).astype(np.float32)
        mean = (felt * shares[:, None]).sum(axis=0)
        same: Floats32 = np.float32(_log(world.straight)) + _read(self.straight, row, mean)
        both: Floats32 = np.logaddexp(apart, same)
        return both


def component_shares(shape: ItemShape) -> Floats:
    """(4,) share of the items that belong to each component."""
    return np.bincount(shape.components, minlength=4) / len(shape.components)


def _log(chance: float) -> float:
    return float(np.log(max(chance, _LEAST)))


def _read(table: Floats32, row: NDArray[np.int32], at: Floats32) -> Floats32:
    points = table.shape[1]
    place = (at - np.float32(_LOWEST)) * np.float32(_STEPS_PER_UNIT)
    np.clip(place, np.float32(0), np.float32(points - 1.001), out=place)
    left = place.astype(np.int32)
    place -= left
    flat = table.ravel()
    left += row * points
    low = flat.take(left)
    left += 1
    value: Floats32 = low + place * (flat.take(left) - low)
    return value


def log_interval(mark: float, step: float, wanted: Floats, sd: float) -> Floats:
    """log P(a wish around `wanted` with standard deviation `sd` is rounded and clipped to `mark`)."""
    scale = max(sd, _LEAST_SD)
    low = -np.inf if mark < step / 2 else mark - step / 2
    high = np.inf if mark > 1 - step / 2 else mark + step / 2
    a, b = (low - wanted) / scale, (high - wanted) / scale
    # Both ends above the middle: the same interval mirrored, where differences do not cancel.
    upper = a > 0
    chance = ndtr(np.where(upper, -a, b)) - ndtr(np.where(upper, -b, a))
    logged: Floats = np.log(np.maximum(chance, _LEAST))
    return logged


class FormChances:
    """Makes the tables of a cohort's forms; those of equal marks are worked out once."""

    def __init__(self, world: World, item_offsets: Floats) -> None:
        """Of one cohort: its world and its items' offsets (items,)."""
        self._world = world
        self._offsets = item_offsets
        self._owners = np.array(world.shape.components)
        self._grid = np.linspace(_LOWEST, _HIGHEST, round((_HIGHEST - _LOWEST) * _STEPS_PER_UNIT) + 1)
        self._usual = (self._grid > -_BEYOND) & (self._grid < 1 + _BEYOND)
        self._known: dict[tuple[int, float], Floats] = {}

    def tables(self, marks: Floats) -> FormTables:
        """Of one form's marks (items,), NaN where unanswered."""
        given = np.nonzero(~np.isnan(marks))[0]
        parts = []
        for component in range(4):
            mine = given[self._owners[given] == component]
            logs = [self._item(item, float(marks[item])) for item in mine.tolist()]
            parts.append(np.add.reduce(logs) if logs else None)
        same = given.size > 0 and float(np.ptp(marks[given])) < 1e-9
        straight = self._mean(float(marks[given[0]])) if same else None
        shorter = [None if part is None else part.astype(np.float32) for part in parts]
        return FormTables(
            tuple(shorter), None if straight is None else straight.astype(np.float32), self._asked(parts)
        )

    def _asked(self, parts: list[Floats | None]) -> Asked:
        mean, variance = np.zeros((2, 4)), np.full((2, 4), _NOTHING)
        for component, table in enumerate(parts):
            if table is not None:
                likely = np.exp(table - table.max(axis=1, keepdims=True))[:, self._usual]
                likely /= likely.sum(axis=1, keepdims=True)
                at = self._grid[self._usual]
                mean[:, component] = likely @ at
                variance[:, component] = likely @ at**2 - mean[:, component] ** 2 + _LEAST_SD
        return Asked(mean, variance)

    def _item(self, item: int, mark: float) -> Floats:
        return self._table(item, mark, float(self._offsets[item]), self._world.item_noise)

    def _mean(self, mark: float) -> Floats:
        sd = self._world.item_noise / np.sqrt(self._offsets.size)
        return self._table(-1, mark, float(self._offsets.mean()), sd)

    def _table(self, item: int, mark: float, offset: float, sd: float) -> Floats:
        key = (item, round(mark, 9))
        if key not in self._known:
            step = self._world.shape.step_share
            wanted = self._grid + offset
            rows = [
                log_interval(mark, step, wanted, sd),
                log_interval(mark, step, wanted + OFF_THE_TOP, sd * YEA_NOISE),
            ]
            self._known[key] = np.stack(rows)
        return self._known[key]
