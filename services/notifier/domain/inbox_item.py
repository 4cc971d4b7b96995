"""The inbox: the changes of one episode in, in any order; what its item says out."""

from collections.abc import Iterable
from dataclasses import dataclass

from schemas.events import Change
from services.notifier.domain.decision import SENT_CHANGES


@dataclass(frozen=True, slots=True, order=True)
class EpisodeRevision:
    """One change of an episode. `shown`: neither kept back nor switched off."""

    revision: int
    change: Change
    shown: bool


@dataclass(frozen=True, slots=True)
class ItemState:
    """What an item says: how the episode stands, and the change whose numbers are shown."""

    state: Change
    revision: int
    told_revision: int
    first_revision: int


def fold_revisions(entries: Iterable[EpisodeRevision]) -> ItemState | None:
    """The item of an episode; None while the therapist was told nothing of it.

    A change that calls for attention counts only when it was shown. How an episode goes on counts always
    once there is an item, even when it was kept back: an item that says less than is known would mislead.
    """
    ordered = sorted(entries)
    told = [entry.revision for entry in ordered if entry.shown and entry.change in SENT_CHANGES]
    if not told:
        return None
    visible = [entry for entry in ordered if is_visible(entry, told[0])]
    return ItemState(visible[-1].change, visible[-1].revision, told[-1], told[0])


def is_visible(entry: EpisodeRevision, first_revision: int) -> bool:
    """Whether a change stands in the item that begins with `first_revision`."""
    return entry.revision >= first_revision and (entry.shown or entry.change not in SENT_CHANGES)
