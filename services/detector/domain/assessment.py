"""What the pure core says about one form: values only, on the common scale 0 to 1."""

from msgspec import Struct

from schemas.events import Component, Movement

DIGITS = 6
"""Decimals of every number of an assessment, so that what is compared, stored and published is the same."""


class ComponentFinding(Struct, frozen=True, gc=False):
    """One component at one session: its share in the risk, this form's score, this client's usual."""

    risk: float
    score: float
    """NaN when this form has no mark for it."""
    baseline: float
    """What is usual for this client just before this form; NaN when nothing is known."""


class Assessment(Struct, frozen=True, gc=False):
    """P(a rupture is under way at this session | forms up to it), and what speaks for it.

    Every number is rounded to 6 decimals, so that what is compared, stored and published is the same.
    """

    risk: float
    components: dict[Component, ComponentFinding]
    leading: Component | None
    movement: Movement | None
    """None: the marks did not move down, or in what way is not clear (yet)."""
    ratings: int
    """Rated forms of this dyad up to and including this one."""
    level: float
    """Mean of this form's components, 0 to 1; NaN when it has none."""
