"""Computes what an inbox item shows from the changes of its episode, in whatever order they arrived."""

from collections.abc import Iterable
from dataclasses import dataclass

from schemas.events import Change
from services.notifier.domain.decision import SENT_CHANGES

OPEN = frozenset({Change.OPENED, Change.DEEPENED})
"""The states in which an item awaits an answer. An answer is a fact of its own, which can be taken back; the
detector's `ACKNOWLEDGED` repeats it later, so it is no state."""

CLOSED = frozenset({Change.REPAIRED, Change.SETTLED, Change.UNREPAIRED, Change.ENDED, Change.WITHDRAWN})
"""The states in which an item asks nothing about the next session."""


@dataclass(frozen=True, slots=True, order=True)
class EpisodeRevision:
    """One change of an episode; `shown` when it was neither kept back nor switched off."""

    revision: int
    change: Change
    shown: bool


@dataclass(frozen=True, slots=True)
class ItemState:
    """What an item shows: the episode's state, and the revision of the change whose numbers are shown."""

    state: Change
    """One of `OPEN` or `CLOSED`: the other changes leave the state as it is."""
    revision: int
    """The newest visible change, so that the numbers are those of the episode's newest session."""
    told_revision: int
    first_revision: int


def fold_revisions(entries: Iterable[EpisodeRevision]) -> ItemState | None:
    """Return the item of an episode; None as long as the therapist was shown nothing of it.

    A change that calls for attention counts only when it was shown. Once there is an item, later states of
    the episode always count, even when kept back: an item that shows less than is known would mislead.
    """
    ordered = sorted(entries)
    shown = [one.revision for one in ordered if one.shown and one.change in SENT_CHANGES]
    if not shown:
        return None
    visible = [entry for entry in ordered if is_visible(entry, shown[0])]
    state = next(entry.change for entry in reversed(visible) if entry.change in OPEN | CLOSED)
    return ItemState(state, visible[-1].revision, shown[-1], shown[0])


def is_visible(entry: EpisodeRevision, first_revision: int) -> bool:
    """Return whether a change is part of the item that begins with `first_revision`."""
    return entry.revision >= first_revision and (entry.shown or entry.change not in SENT_CHANGES)
