"""Takes up changes of episodes that were published, and that a restored database does not hold."""

from collections.abc import Iterable

from msgspec.structs import replace

from schemas.events import Change, OpenedBy
from schemas.ids import InstrumentId, SessionId
from schemas.rating_order import SessionOrder
from services.detector.contracts import Changed
from services.detector.domain.episode_changes import Decision, EmittedEpisode
from services.detector.domain.episode_state import Episode, EpisodeEnd

_ENDS = {Change(end.value): end for end in EpisodeEnd}


def with_published(decision: Decision, changes: Iterable[Changed]) -> Decision:
    """Return the decision as it was when these changes, sorted by revision, had been emitted too.

    The next comparison then emits what differs from them and nothing else: what was told is not told again,
    and what is not there any more is withdrawn.
    """
    emitted = {one.episode_id: one for one in decision.emitted}
    for change in changes:
        emitted[change.episode_id] = _after(emitted.get(change.episode_id), change)
    return replace(decision, emitted=tuple(emitted.values()))


def _after(before: EmittedEpisode | None, change: Changed) -> EmittedEpisode:
    shown = _order(change)
    if before is None:
        # Where it began is known by its time; the session that was told is the nearest one by name.
        opened = shown._replace(session_at=change.opened_at)
        before = EmittedEpisode(
            change.episode_id, 0, Episode(opened, opened_by=change.opened_by or OpenedBy.RISK)
        )
    after = replace(before, revision=change.revision, shown=shown)
    episode = before.episode
    if change.change is Change.OPENED:
        return replace(
            after,
            episode=replace(episode, end=None, closed=None),
            withdrawn=False,
            acknowledged=False,
            kept_back=change.kept_back,
            notified=before.notified or change.kept_back is None,
        )
    if change.change is Change.DEEPENED:
        return replace(after, episode=replace(episode, deepened=(*episode.deepened, shown)))
    if change.change in _ENDS:
        return replace(after, episode=replace(episode, end=_ENDS[change.change], closed=shown))
    return replace(
        after,
        withdrawn=before.withdrawn or change.change is Change.WITHDRAWN,
        acknowledged=before.acknowledged or change.change is Change.ACKNOWLEDGED,
    )


def _order(change: Changed) -> SessionOrder:
    return SessionOrder(change.session_at, SessionId(change.session_id), InstrumentId(change.instrument))
