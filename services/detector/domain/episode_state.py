"""Holds the state of the fold of episodes, as it is stored.

Fields are only appended, with defaults, so that what was stored before can be read.
"""

from enum import StrEnum

from msgspec import Struct

from schemas.components import Component
from schemas.events import OpenedBy
from schemas.rating_order import SessionOrder
from services.detector.domain.fall import UsualLevel
from services.detector.domain.session_risk import ComponentMark, KeptMarks


class EpisodeEnd(StrEnum):
    """How an episode closed."""

    REPAIRED = "repaired"
    SETTLED = "settled"
    UNREPAIRED = "unrepaired"
    ENDED = "ended"


class Episode(Struct, frozen=True, array_like=True):
    """A run of sessions during which a rupture is taken to be under way."""

    opened: SessionOrder
    reference: float | None = None
    """The level at which it opened or last deepened; None until a form with marks was flagged."""
    deepened: tuple[SessionOrder, ...] = ()
    under: int = 0
    """Rated sessions in a row below the lower bound."""
    end: EpisodeEnd | None = None
    closed: SessionOrder | None = None
    opened_by: OpenedBy = OpenedBy.RISK
    near_from: dict[Component, float] = {}
    """The components that fell when it opened or last deepened, each with the mark from which on it is near
    its usual level at the opening again; empty when none did."""
    near: int = 0
    """Rated sessions in a row below the lower bound with all these components near."""
    usual: dict[Component, UsualLevel] = {}
    """The usual levels at the opening; empty when they were not known, and when the episode has closed."""


class LastForm(Struct, frozen=True, array_like=True):
    """The last form that was given: what a later empty form is judged by."""

    share: float
    """Its risk, as a share of its threshold."""
    marks: tuple[ComponentMark, ...]


class EpisodeState(Struct, frozen=True, array_like=True):
    """The fold's state after the last session: all that the next session needs."""

    episodes: tuple[Episode, ...] = ()
    last: SessionOrder | None = None
    flagged: bool = False
    """Whether the last session is flagged."""
    over: bool = False
    """Whether the last session's risk is at or above the lower bound."""
    form: LastForm | None = None
    """None before the first form."""
    sessions: int = 0
    """Sessions up to the last form."""
    forms: int = 0
    empty: int = 0
    """Sessions since the last form; none of them has one."""
    marks: tuple[KeptMarks, ...] = ()
    """At most the last `fall.FORMS_READ` forms."""


NO_SESSIONS = EpisodeState()
