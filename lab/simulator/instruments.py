"""Chooses the instruments of simulated cohorts: those of the catalogue, and invented ones.

A catalogue's instrument is simulated as its definition (TOML) describes it. What a definition cannot tell is
taken from two rules: an instrument whose step is finer than `LINE_STEP` is read off lines and is marked
higher than one with boxes to tick (see `lab/simulator/world.py`), and unanswered items are equally likely to
be any of the items.
"""

from collections.abc import Sequence
from functools import cache

import numpy as np

from schemas.components import Component
from schemas.ids import InstrumentId
from schemas.instruments.catalogue import Catalogue
from schemas.instruments.instrument import Instrument

BOND, GOAL, TASK, OVERALL = range(4)
"""Positions of the components in arrays, in the order of `schemas.Component`."""
LINE_STEP = 0.05
"""Instruments with a finer step than this share of their range are lines, read to the millimetre."""
DRAW_ORDER = ("srs", "wai-sr", "wai-s", "wai-9")
"""The instruments that are drawn first, in this order: a seed gives the same cohorts as long as it stays."""


@cache
def catalogue_instruments() -> tuple[Instrument, ...]:
    """Return all shipped instruments of the alliance: those of `DRAW_ORDER`, then any others by id."""
    catalogue = Catalogue.load().of_alliance
    others = sorted(str(instrument.id) for instrument in catalogue if instrument.id not in DRAW_ORDER)
    return tuple(catalogue.get(name) for name in (*DRAW_ORDER, *others))


def has_lines(instrument: Instrument) -> bool:
    """Return whether an instrument is read off lines."""
    return instrument.unit_step < LINE_STEP


def cutoff_share(instrument: Instrument) -> float | None:
    """Return the published cutoff as a share of the highest total; None when none is published.

    >>> cutoff_share(Catalogue.load().get("srs"))
    0.9
    """
    return None if instrument.cutoff is None else instrument.cutoff / instrument.highest_total


def item_components(instrument: Instrument) -> tuple[int, ...]:
    """Return each item's component (`BOND`, `GOAL`, `TASK` or `OVERALL`), in the order of the items.

    >>> item_components(Catalogue.load().get("srs"))
    (0, 1, 2, 3)
    """
    component_of = {
        position: component
        for component, positions in enumerate(instrument.component_indices)
        for position in positions
    }
    return tuple(component_of[position] for position in range(instrument.items))


def invent_instrument(
    name: str,
    components: Sequence[int],
    lowest: float,
    highest: float,
    step: float,
    *,
    cutoff: float | None = None,
) -> Instrument:
    """Return an instrument with one item per element of `components`; any of its items may be unanswered."""
    items = {
        component: tuple(number for number, owner in enumerate(components, start=1) if owner == position)
        for position, component in enumerate(Component)
    }
    return Instrument(
        id=InstrumentId(name),
        title=name,
        items=len(components),
        lowest=lowest,
        highest=highest,
        step=step,
        exact=True,
        reversed_items=frozenset(),
        components={component: numbers for component, numbers in items.items() if numbers},
        missing_component=len(components),
        missing_total=len(components),
        cutoff=cutoff,
        source="invented for the simulator",
        licence="none",
    )


def draw_invented(rng: np.random.Generator) -> Instrument:
    """Draw an instrument that does not exist: 3 to 25 items, each with 5 to 101 possible marks."""
    per_component = int(rng.choice([1, 1, 2, 3, 4, 6, 8]))
    components = (BOND, GOAL, TASK) * per_component
    if rng.random() < 0.3:
        components += (OVERALL,)
    lowest, highest, step = [(1, 5, 1), (1, 7, 1), (0, 10, 1), (0, 100, 1), (0, 4, 1), (1, 6, 1)][
        int(rng.integers(6))
    ]
    return invent_instrument("generic", components, lowest, highest, step)


def draw_instrument(rng: np.random.Generator) -> Instrument:
    """Draw one of the shipped instruments or, with probability 1/3, an invented one."""
    if rng.random() < 1 / 3:
        return draw_invented(rng)
    shipped = catalogue_instruments()
    return shipped[int(rng.integers(len(shipped)))]
