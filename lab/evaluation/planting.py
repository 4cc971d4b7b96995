"""Plants a known rupture into a real course: draws its shape, and lowers the marks of its sessions.

It says nothing about how ruptures look. But the noise, the spread, the gaps and the declined forms are real,
so it shows whether a detector understands those.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from math import floor

import msgspec
import numpy as np
from numpy.typing import NDArray

from schemas.components import Component
from schemas.events import Mark
from schemas.instruments.instrument import Instrument
from schemas.instruments.scoring import from_units
from services.detector.received import DecodedScores, Rated

Floats = NDArray[np.float64]
Bools = NDArray[np.bool_]

DEPTHS = (0.12, 0.40)
"""Lowest and highest fall on the scale 0 to 1, each equally likely."""
SLIDES = (2, 5)
"""Fewest and most sessions of a slide, each equally likely."""
P_BACK = 0.4
"""P(a sudden rupture that does not last ends after a session): 2.5 sessions on average."""
UNDER_WAY = 1 / 3
"""A rupture counts as under way from this share of its depth on."""
_COMPONENTS = (Component.BOND, Component.GOAL, Component.TASK)
_DIGITS = 9
"""Marks are rounded so that those on a step are recognised as such."""


class RuptureShape(StrEnum):
    """How a planted rupture goes on; each is equally likely."""

    BACK = "sudden and back"
    LASTING = "sudden and lasting"
    SLIDING = "sliding and lasting"


@dataclass(frozen=True, slots=True)
class RupturePlan:
    """A rupture to plant into a course of t sessions."""

    components: tuple[Component, ...]
    """Those that fall, all alike."""
    depth: float
    """On the scale 0 to 1."""
    shares: Floats
    """(t,) share of the depth at each session."""

    @property
    def under_way(self) -> Bools:
        """(t,): at least a third of the depth."""
        return self.shares >= UNDER_WAY - 1e-9

    def falls(self, session: int) -> dict[Component, float]:
        """Return how far each component falls at a session; the overall mark falls as their mean does."""
        fall = self.depth * float(self.shares[session])
        falls = {component: fall if component in self.components else 0.0 for component in _COMPONENTS}
        return falls | {Component.OVERALL: sum(falls.values()) / len(_COMPONENTS)}


def shares_of_depth(shape: RuptureShape, sessions: int, onset: int, length: int) -> Floats:
    """Return (sessions,) the share of the depth at each session.

    Args:
        shape: of the rupture.
        sessions: number of sessions of the course.
        onset: the first session that is lowered, from 0.
        length: sessions until it is back, or until a slide has its full depth; not used if it lasts.

    >>> shares_of_depth(RuptureShape.SLIDING, 5, 2, 2).tolist()
    [0.0, 0.0, 0.5, 1.0, 1.0]
    """
    since = np.arange(sessions) - onset + 1.0
    match shape:
        case RuptureShape.BACK:
            return ((since >= 1) & (since <= length)).astype(np.float64)
        case RuptureShape.LASTING:
            return (since >= 1).astype(np.float64)
        case RuptureShape.SLIDING:
            shares: Floats = np.clip(since / length, 0.0, 1.0)
            return shares


def draw_plan(rng: np.random.Generator, rated: Bools, components: Sequence[Component]) -> RupturePlan | None:
    """Draw a rupture that begins at a rated session after the first one; None where there is no such session.

    Args:
        rng: the source of chance.
        rated: (t,) the sessions with a form.
        components: those that the course's instruments have marks for.
    """
    onsets = np.nonzero(rated)[0][1:]
    able = [component for component in _COMPONENTS if component in components]
    if not onsets.size or not able:
        return None
    count = int(rng.integers(1, len(able) + 1))
    chosen = [able[position] for position in rng.permutation(len(able))[:count].tolist()]
    depth = float(rng.uniform(*DEPTHS))
    shape = list(RuptureShape)[int(rng.integers(len(RuptureShape)))]
    onset = int(rng.choice(onsets))
    sliding = shape is RuptureShape.SLIDING
    length = int(rng.integers(SLIDES[0], SLIDES[1] + 1) if sliding else rng.geometric(P_BACK))
    return RupturePlan(tuple(chosen), depth, shares_of_depth(shape, rated.size, onset, length))


def lower_rating(
    rng: np.random.Generator, rating: Rated, instrument: Instrument, falls: Mapping[Component, float]
) -> Rated:
    """Return a rating with its marks lowered by the falls of their components, stopping at the lowest mark.

    Items are lowered by whole steps, drawn so that their mean is the fall. A rating that has only component
    scores is lowered by the fall itself.
    """
    if rating.items is not None:
        return msgspec.structs.replace(rating, items=_lower_items(rng, rating.items, instrument, falls))
    if rating.scores is not None:
        return msgspec.structs.replace(rating, scores=_lower_scores(rating.scores, instrument, falls))
    return rating


def _lower_items(
    rng: np.random.Generator, items: Sequence[Mark], instrument: Instrument, falls: Mapping[Component, float]
) -> tuple[Mark, ...]:
    lowered = list(items)
    scale = instrument.highest - instrument.lowest
    for component, numbers in instrument.components.items():
        for item in numbers:
            mark = lowered[item - 1]
            steps = floor(falls[component] / instrument.unit_step + rng.random())
            if mark is None or not steps:
                continue
            distance = max(instrument.scale(item, mark) - steps * instrument.unit_step, 0.0) * scale
            turned = item in instrument.reversed_items
            new = instrument.highest - distance if turned else instrument.lowest + distance
            lowered[item - 1] = round(new, _DIGITS)
    return tuple(lowered)


def _lower_scores(
    scores: DecodedScores, instrument: Instrument, falls: Mapping[Component, float]
) -> DecodedScores:
    scale = instrument.highest - instrument.lowest

    def lower(component: Component, mark: float) -> float:
        left = max(from_units(instrument, mark) - falls[component], 0.0)
        return round(instrument.lowest + left * scale, _DIGITS)

    return DecodedScores(
        bond=lower(Component.BOND, scores.bond),
        goal=lower(Component.GOAL, scores.goal),
        task=lower(Component.TASK, scores.task),
    )
