"""One instrument as a value: its items, marks, components and limits, ready for scoring."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cached_property
from operator import itemgetter
from typing import TYPE_CHECKING, TypeVar

from schemas.events import Component
from schemas.ids import InstrumentId

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

Marks = TypeVar("Marks", float, "NDArray[np.float64]")


@dataclass(frozen=True)
class Instrument:
    """A questionnaire without its wording. Item numbers start at 1; marks are in the instrument's unit."""

    id: InstrumentId
    title: str
    items: int
    lowest: float
    highest: float
    step: float
    exact: bool
    """Only marks on a step exist (boxes to tick); otherwise the step says how finely a line is read."""
    reversed_items: frozenset[int]
    """Items on which a high mark speaks against the alliance."""
    components: dict[Component, tuple[int, ...]]
    """Every item belongs to exactly one component; a component that is not asked for is absent."""
    missing_component: int
    """A component with more unanswered items than this has no score."""
    missing_total: int
    """A form with more unanswered items than this is refused."""
    cutoff: float | None
    """The published total (the sum of all marks) below which attention is advised; None: none published."""
    source: str
    licence: str

    @cached_property
    def unit_step(self) -> float:
        """The step on the common scale 0 to 1."""
        return self.step / (self.highest - self.lowest)

    @property
    def lowest_total(self) -> float:
        """The lowest sum of all marks."""
        return self.items * self.lowest

    @property
    def highest_total(self) -> float:
        """The highest sum of all marks: 40 for four lines from 0 to 10."""
        return self.items * self.highest

    @cached_property
    def places(self) -> tuple[tuple[int, ...], ...]:
        """For bond, goal, task and overall: where their marks stand in a list of all, from 0."""
        return tuple(
            tuple(number - 1 for number in self.components.get(component, ())) for component in Component
        )

    @cached_property
    def pickers(self) -> tuple[Callable[[Sequence[float]], Sequence[float]] | None, ...]:
        """For bond, goal, task and overall: takes their marks out of a list of all; None where none are."""
        return tuple(
            itemgetter(*places)
            if len(places) > 1
            else itemgetter(slice(places[0], places[0] + 1))
            if places
            else None
            for places in self.places
        )

    @cached_property
    def shares(self) -> tuple[dict[float, float], ...]:
        """For each item: what each mark on a step is on the common scale, 1 the best."""
        return tuple(
            {mark: self.share(item, mark) for mark in self.steps} for item in range(1, self.items + 1)
        )

    @cached_property
    def steps(self) -> tuple[float, ...]:
        """All marks on a step, the lowest first."""
        count = round((self.highest - self.lowest) / self.step)
        return tuple(round(self.lowest + number * self.step, 9) for number in range(count + 1))

    def share(self, item: int, mark: Marks) -> Marks:
        """An item's mark, or an array of its marks, on the common scale 0 to 1, 1 the best."""
        distance = self.highest - mark if item in self.reversed_items else mark - self.lowest
        return distance / (self.highest - self.lowest)
