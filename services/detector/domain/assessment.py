"""Defines what a model computes for one form; all numbers are on the common scale 0 to 1."""

from msgspec import Struct

from schemas.components import Component
from schemas.events import Movement

DIGITS = 6
"""Decimals of every number of an assessment, so that what is compared, stored and published is the same."""


class ComponentFinding(Struct, frozen=True, gc=False):
    """One component at one session."""

    risk: float
    """The part of the risk that this component accounts for."""
    score: float
    """This form's score; NaN when the form has no mark for the component."""
    baseline: float
    """This client's baseline just before this form, published as `usual`; NaN when it is not known."""


class Assessment(Struct, frozen=True, gc=False):
    """P(a rupture is under way at this session | forms up to it), and what accounts for it.

    Every number is rounded to `DIGITS` decimals.
    """

    risk: float
    components: dict[Component, ComponentFinding]
    leading: Component | None
    """The component with the greatest part of the risk."""
    movement: Movement | None
    """How the marks moved down; None: they did not, or the kind is not clear (yet)."""
    ratings: int
    """Rated forms of this dyad up to and including this one."""
    level: float
    """Mean of this form's components, 0 to 1; NaN when it has none."""
