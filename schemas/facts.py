"""Defines the facts that a message is made of: statements about a dyad's marks that the marks show.

Marks are in the units of the episode's instrument. Every sentence that a therapist reads about an episode
follows from these facts, and every fact is a predicate over the forms that `EpisodeChanged` was found in.
"""

from enum import StrEnum
from typing import Annotated

from pydantic import AwareDatetime, BaseModel, ConfigDict, Field

from schemas.components import Component

Mark = float | None


class Shape(StrEnum):
    """How the named components came down; named only where the marks show it."""

    STEP = "step"
    """From one form to the next, in the form of `since`."""
    SLIDE = "slide"
    """Over the forms whose marks `slide` lists."""
    LOW_FROM_START = "low-from-start"
    """They were low in the first two forms, so there was no higher usual level."""
    UNCLEAR = "unclear"
    """The marks show neither a step nor a slide; where no component fell, nothing is lower than usual."""
    NO_FORM = "no-form"
    """No component fell in the last form given, and the newest session has no form."""


class Standing(StrEnum):
    """Where a component's mark in the last form stands against this client's own usual level."""

    FELL = "fell"
    """Lower, by at least half of what the deepest component fell, and outside of its own usual range; the
    deepest one also within its range, where it fell by a tenth of the scale or more."""
    SOMEWHAT_LOWER = "somewhat-lower"
    """Lower, and outside of its own usual range, but by less than half of what the deepest one fell."""
    LOW = "low"
    """At or under a quarter of the scale in the first two forms and in the last; it has no usual level."""
    HELD = "held"
    """Within its own usual range."""
    ROSE = "rose"
    """Higher, and outside of its own usual range."""
    UNKNOWN = "unknown"
    """The form has no mark for it, or this client has no usual level for it yet."""


class FactModel(BaseModel):
    """Base of the facts: frozen, and tolerant of fields that a newer producer adds."""

    model_config = ConfigDict(frozen=True, extra="ignore", use_attribute_docstrings=True)


class ComponentFact(FactModel):
    """One component in the last form that has marks."""

    component: Component
    standing: Standing
    mark: Mark = None
    """Null when that form has no mark for it."""
    usual: Mark = None
    """This client's own usual level before the episode, within the marks given; null before there is one."""
    usual_low: Mark = None
    """The lower end of the range in which this client's marks usually lie, within the marks given."""
    usual_high: Mark = None
    lasting: Mark = None
    """Where it settled: about its level in the last forms; only in the facts of `settled`."""
    first: Mark = None
    """The mark in this client's first form, where there is no usual level and the last form's mark is lower
    by a tenth of the scale or more; else null."""
    back: bool = False
    """It held in the last form, but was outside of its own usual range in a form from `since` on."""


class EmptyForms(FactModel):
    """Sessions without a form among the last ones."""

    last_at: AwareDatetime
    """The newest session without a form."""
    count: Annotated[int, Field(ge=1)]
    of: Annotated[int, Field(ge=1)]
    """Number of last sessions that were counted, at most 8."""
    lead: bool = False
    """What fell in the form before them did so by less than a twentieth of the scale, or lies within the
    client's own usual range, and nothing is clearly lower than in the first form: they are told first."""


class Facts(FactModel):
    """What the marks show at one session of an episode."""

    shape: Shape
    components: tuple[ComponentFact, ...] = ()
    """Those that this client has ever marked: first those that fell, or are low, the deepest first and
    `overall` after the other ones, then those that did not."""
    form_at: AwareDatetime | None = None
    """The last form that has marks; null when there is none."""
    since: AwareDatetime | None = None
    """The first form from which all components that fell have been lower; the first form at all for those
    that are low from the start; null when none fell."""
    slide: tuple[float, ...] = ()
    """The marks of the deepest component over a slide, oldest first, at least 4; empty for other shapes."""
    began: tuple[float, ...] = ()
    """The marks of the deepest component in its first two forms, where it went down over several forms to
    about these, each at most a twentieth of the scale away: then that is no slide; else empty."""
    empty: EmptyForms | None = None
    """Null when the newest session has a form."""
    forms: Annotated[int, Field(ge=0)] = 0
    """Number of forms with marks up to this session."""
    decimals: Annotated[int, Field(ge=0)] = 1
    """Decimals with which marks of the instrument are shown."""
