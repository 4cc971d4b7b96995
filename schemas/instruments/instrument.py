"""Describes one instrument: its items, marks, components and limits, prepared for scoring."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cached_property
from operator import itemgetter
from typing import TYPE_CHECKING, TypeVar

from schemas.components import Component
from schemas.ids import InstrumentId
from schemas.instrument_kind import InstrumentKind
from schemas.instruments.questionnaire_map import QuestionnaireMap

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

Marks = TypeVar("Marks", float, "NDArray[np.float64]")

_WIDE = 50
"""Width from which on a scale is a wide one."""


@dataclass(frozen=True)
class Instrument:
    """A questionnaire without its wording. Items are numbered from 1; marks are in the instrument's unit."""

    id: InstrumentId
    title: str
    items: int
    """Number of items."""
    lowest: float
    """The lowest mark of an item."""
    highest: float
    """The highest mark of an item."""
    step: float
    """The distance between two neighbouring marks."""
    exact: bool
    """True when only marks on a step exist (boxes to tick); otherwise finer marks are accepted too."""
    reversed_items: frozenset[int]
    """Items on which a high mark counts as a low one."""
    components: dict[Component, tuple[int, ...]]
    """The items of each component. Every item has one component; a component without items is absent."""
    missing_component: int
    """A component with more unanswered items than this has no score."""
    missing_total: int
    """A form with more unanswered items than this is refused."""
    cutoff: float | None
    """The published total (sum of all marks) below which attention is advised, or from which where higher is
    worse; None when there is none."""
    source: str
    licence: str
    questionnaires: tuple[QuestionnaireMap, ...] = ()
    """The FHIR questionnaires whose responses are forms of this instrument."""
    kind: InstrumentKind = InstrumentKind.ALLIANCE
    higher_is_better: bool = True
    """False where a higher total means more distress."""
    cutoff_source: str = ""
    """Where the cutoff was published, where it is not in `source`."""
    risk_items: tuple[int, ...] = ()
    """Items that ask about danger to oneself or others. Nothing here looks at single answers to them."""

    @property
    def is_alliance(self) -> bool:
        """Whether its ratings are scored; those of any other kind are only stored and drawn."""
        return self.kind is InstrumentKind.ALLIANCE

    @cached_property
    def unit_step(self) -> float:
        """The step on the common scale 0 to 1."""
        return self.step / (self.highest - self.lowest)

    @property
    def decimals(self) -> int:
        """Decimals with which marks are shown: on a wide scale a tenth of a mark says nothing."""
        return 0 if self.highest - self.lowest >= _WIDE else 1

    @property
    def lowest_total(self) -> float:
        """The lowest possible sum of all marks."""
        return self.items * self.lowest

    @property
    def highest_total(self) -> float:
        """The highest possible sum of all marks: 40 for four lines from 0 to 10."""
        return self.items * self.highest

    @cached_property
    def component_indices(self) -> tuple[tuple[int, ...], ...]:
        """For bond, goal, task and overall: the indices, from 0, of their items in a form's list of marks."""
        return tuple(
            tuple(number - 1 for number in self.components.get(component, ())) for component in Component
        )

    @cached_property
    def component_getters(self) -> tuple[Callable[[Sequence[float]], Sequence[float]] | None, ...]:
        """For bond, goal, task and overall: a function that selects their values from a form's list.

        None for a component without items.
        """
        return tuple(
            itemgetter(*indices)
            if len(indices) > 1
            else itemgetter(slice(indices[0], indices[0] + 1))
            if indices
            else None
            for indices in self.component_indices
        )

    @cached_property
    def scaled_marks(self) -> tuple[dict[float, float], ...]:
        """For each item: the value of every mark on a step on the common scale 0 to 1, 1 the best."""
        return tuple(
            {mark: self.scale(item, mark) for mark in self.steps} for item in range(1, self.items + 1)
        )

    @cached_property
    def steps(self) -> tuple[float, ...]:
        """All marks on a step, in ascending order."""
        count = round((self.highest - self.lowest) / self.step)
        return tuple(round(self.lowest + number * self.step, 9) for number in range(count + 1))

    def scale(self, item: int, mark: Marks) -> Marks:
        """Return an item's mark, or an array of its marks, on the common scale 0 to 1, 1 the best."""
        distance = self.highest - mark if item in self.reversed_items else mark - self.lowest
        return distance / (self.highest - self.lowest)
