"""The forms of simulated instruments: which items belong to which component, and what marks they take."""

from dataclasses import dataclass

import numpy as np

BOND, GOAL, TASK, OVERALL = range(4)


@dataclass(frozen=True, slots=True)
class ItemShape:
    """An instrument as the simulator sees it; marks run from `lowest` to `highest` by `step`."""

    name: str
    components: tuple[int, ...]
    """Each item's component (`BOND`, `GOAL`, `TASK` or `OVERALL`), in the order of the items."""
    lowest: float
    highest: float
    step: float
    reversed_items: tuple[int, ...] = ()
    """Places, from 0, of the items where a high mark is a bad one."""

    @property
    def step_share(self) -> float:
        """The step on the common scale 0 to 1."""
        return self.step / (self.highest - self.lowest)


def _by_place(bond: str, goal: str, task: str, overall: str = "") -> tuple[int, ...]:
    # Instruments are published as lists of item numbers, from 1.
    owner = {
        int(number): component
        for component, numbers in enumerate((bond, goal, task, overall))
        for number in numbers.split()
    }
    return tuple(owner[number] for number in sorted(owner))


SRS = ItemShape("srs", _by_place("1", "2", "3", "4"), 0, 10, 0.1)
WAI_SR = ItemShape("wai-sr", _by_place("3 5 7 9", "4 6 8 11", "1 2 10 12"), 1, 5, 1)
WAI_S = ItemShape("wai-s", _by_place("3 5 7 9", "4 6 10 11", "1 2 8 12"), 1, 7, 1, (3, 9))
WAI_9 = ItemShape("wai-9", _by_place("7 8 9", "4 5 6", "1 2 3"), 1, 5, 1)

SHIPPED = (SRS, WAI_SR, WAI_S, WAI_9)


def draw_generic(rng: np.random.Generator) -> ItemShape:
    """An instrument nobody has: few or many items of 5 or 7 steps, a line of 10 or of 100 points."""
    per_component = int(rng.choice([1, 1, 2, 3, 4, 6, 8]))
    components = (BOND, GOAL, TASK) * per_component
    if rng.random() < 0.3:
        components += (OVERALL,)
    lowest, highest, step = [(1, 5, 1), (1, 7, 1), (0, 10, 1), (0, 100, 1), (0, 4, 1), (1, 6, 1)][
        int(rng.integers(6))
    ]
    return ItemShape("generic", components, lowest, highest, step)


def draw_shape(rng: np.random.Generator) -> ItemShape:
    """One of the shipped instruments or, one time in three, a generic one."""
    if rng.random() < 1 / 3:
        return draw_generic(rng)
    return SHIPPED[int(rng.integers(len(SHIPPED)))]
