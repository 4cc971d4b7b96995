"""Computes what changed in a dyad's episodes since they were last emitted.

An episode that overlaps an emitted one keeps its id, whatever its first session is now; an emitted episode
that no longer exists is withdrawn. The therapist is notified of a change only if it holds at the dyad's
newest session and that session is recent enough for the practice; otherwise the change is kept back, with a
reason. An open episode that was kept back is opened anew at the first session at which the therapist may be
notified and that is still flagged. What opened while the practice observed stays kept back for good: going
live tells nothing that opened before.

While an episode is open, every later session that changes nothing else about it is emitted as `continued` to
a therapist who was notified of it, so that whatever shows the episode can show the newest session. So is the
newest session after any session was corrected or taken back, because the picture of all of them was shown. A
closed episode that a therapist was notified of is emitted once more, closed as it was, when a session before
its end was corrected, taken back or added: its picture is kept, too.

Responses never change a risk or an episode. `not-relevant` and `outside-event` silence an episode: no further
`opened` or `deepened` is emitted, but its end is. `undone` (a newer answer revision) lifts that.
"""

from collections.abc import Mapping, Sequence
from datetime import date
from typing import NamedTuple
from uuid import UUID

from msgspec import Struct
from msgspec.structs import replace

from schemas.events import Answer, Change, KeptBack
from schemas.ids import DyadId, episode_id
from schemas.rating_order import SessionOrder
from services.detector.domain.episode_state import NO_SESSIONS, Episode, EpisodeState
from services.detector.domain.episodes import as_of
from services.detector.domain.practice import AlertWindow

SILENCING = frozenset({Answer.NOT_RELEVANT, Answer.OUTSIDE_EVENT})


class TherapistAnswer(Struct, frozen=True, array_like=True):
    """A therapist's newest answer about one episode."""

    revision: int
    answer: Answer


class EmittedEpisode(Struct, frozen=True, array_like=True):
    """One episode as it was last emitted."""

    episode_id: UUID
    revision: int
    episode: Episode
    acknowledged: bool = False
    withdrawn: bool = False
    kept_back: KeptBack | None = None
    """Why its last opening was kept back; None: it was not."""
    notified: bool = False
    """Whether the therapist was ever notified of it."""
    shown: SessionOrder | None = None
    """The session of its last change that was emitted; None: not known, nothing was emitted, or the session
    was corrected since."""


class Decision(Struct, frozen=True, array_like=True):
    """All that the decisions about one dyad rest on; it is stored, so continuing needs no history."""

    folded: EpisodeState = NO_SESSIONS
    emitted: tuple[EmittedEpisode, ...] = ()
    answers: dict[UUID, TherapistAnswer] = {}
    day: date | None = None
    """The newest day on which the daily sweep looked at the dyad."""


class EpisodeChange(NamedTuple):
    """One change to publish: the episode after it, the session at which it shows, and why it is kept back."""

    after: EmittedEpisode
    change: Change
    order: SessionOrder
    kept_back: KeptBack | None


def record_answer(decision: Decision, episode: UUID, answer: TherapistAnswer) -> Decision:
    """Return the decision with this answer, unless it has a newer one; the episode need not be known."""
    known = decision.answers.get(episode)
    if known is not None and known.revision >= answer.revision:
        return decision
    return replace(decision, answers={**decision.answers, episode: answer})


def compute_changes(
    dyad: DyadId,
    decision: Decision,
    window: AlertWindow,
    *,
    shown_changed: bool,
    changed_from: SessionOrder | None = None,
    revision_floor: int = 0,
) -> tuple[list[EpisodeChange], tuple[EmittedEpisode, ...]]:
    """Return the changes since the last emission, in order, and the episodes as emitted after them.

    Args:
        dyad: whose episodes they are.
        decision: the episodes now, and as they were last emitted.
        window: the sessions that therapists are notified about.
        shown_changed: whether the newest session is new, or any session was corrected or taken back, since
            the last emission.
        changed_from: the first session that was added, corrected or taken back since then; None: none was.
        revision_floor: the revisions of the changes are higher.
    """
    episodes = as_of(decision.folded, decision.day)
    if not episodes and not decision.emitted:
        return [], ()
    emission = _Emission(
        decision,
        window,
        shown_changed=shown_changed,
        changed_from=changed_from,
        revision_floor=revision_floor,
    )
    pairs, vanished = _match(dyad, episodes, decision.emitted)
    after = [emission.withdraw(before) for before in vanished]
    after += [
        emission.continue_episode(before, episode) if before else emission.begin_episode(own_id, episode)
        for before, own_id, episode in pairs
    ]
    return emission.changes, tuple(after)


def episode_status(emitted: EmittedEpisode, answers: Mapping[UUID, TherapistAnswer]) -> str:
    """Return the status of an episode in one word: open, acknowledged, repaired, … or withdrawn."""
    if emitted.withdrawn:
        return "withdrawn"
    if emitted.episode.end is not None:
        return emitted.episode.end.value
    return "acknowledged" if _valid_answer(answers, emitted.episode_id) is not None else "open"


_Pair = tuple[EmittedEpisode | None, UUID, Episode]


def _match(
    dyad: DyadId, episodes: Sequence[Episode], emitted: Sequence[EmittedEpisode]
) -> tuple[list[_Pair], list[EmittedEpisode]]:
    """Pair each episode with its emitted state and own id; return also the emitted ones that vanished."""
    live = [before for before in emitted if not before.withdrawn]
    if len(live) == len(episodes) and all(
        before.episode.opened == episode.opened for before, episode in zip(live, episodes, strict=True)
    ):
        withdrawn = [before for before in emitted if before.withdrawn]
        pairs = zip(live, episodes, strict=True)
        return [(before, before.episode_id, episode) for before, episode in pairs], withdrawn
    own_ids = [episode_id(dyad, each.opened.session_id, each.opened.instrument) for each in episodes]
    left = {before.episode_id: before for before in emitted}
    # By its own id first: then no other episode can be given an id that this one would have to take anew.
    matched: list[EmittedEpisode | None] = [left.pop(own_id, None) for own_id in own_ids]
    for index, episode in enumerate(episodes):
        if matched[index] is None:
            overlapping = (
                before
                for before in left.values()
                if not before.withdrawn and _overlap(before.episode, episode)
            )
            same = next(overlapping, None)
            if same is not None:
                matched[index] = left.pop(same.episode_id)
    return list(zip(matched, own_ids, episodes, strict=True)), list(left.values())


def _overlap(a: Episode, b: Episode) -> bool:
    return (b.closed is None or a.opened <= b.closed) and (a.closed is None or b.opened <= a.closed)


def _valid_answer(answers: Mapping[UUID, TherapistAnswer], episode: UUID) -> Answer | None:
    newest = answers.get(episode)
    return None if newest is None or newest.answer is Answer.UNDONE else newest.answer


class _Emission:
    """Collects the changes of one dyad's episodes, which share its newest session, answers and window."""

    def __init__(
        self,
        decision: Decision,
        window: AlertWindow,
        *,
        shown_changed: bool,
        changed_from: SessionOrder | None,
        revision_floor: int,
    ) -> None:
        self.changes: list[EpisodeChange] = []
        self._revision_floor = revision_floor
        self._answers = decision.answers
        self._newest = decision.folded.last
        self._shown_changed = shown_changed
        self._changed_from = changed_from
        self._flagged = decision.folded.flagged
        self._outside = window.outside(self._newest)
        self._live_from = window.live_from

    def withdraw(self, before: EmittedEpisode) -> EmittedEpisode:
        """Withdraw an episode that no longer exists."""
        if before.withdrawn:
            return before
        # Whoever was notified must learn of it, however old the session is.
        kept_back = None if before.notified else before.kept_back
        after = replace(before, withdrawn=True)
        return self._emit(after, Change.WITHDRAWN, before.episode.opened, kept_back)

    def begin_episode(self, own_id: UUID, episode: Episode) -> EmittedEpisode:
        """Emit an episode for the first time."""
        return self._answer_and_end(self._open(EmittedEpisode(own_id, 0, episode)), None)

    def continue_episode(self, before: EmittedEpisode, episode: Episode) -> EmittedEpisode:
        """Emit what changed in an episode that was emitted before."""
        shown = None if self._shown_changed else before.shown
        after = replace(before, episode=episode, withdrawn=False, shown=shown)
        silenced = _valid_answer(self._answers, before.episode_id) in SILENCING
        reopened = before.withdrawn or (before.episode.end is not None and episode.end is None)
        may_open_now = (
            before.kept_back not in {None, KeptBack.OBSERVING} and self._why_not_open(episode) is None
        )
        if not silenced and (reopened or may_open_now):
            return self._answer_and_end(self._open(after), None)
        if not silenced and len(episode.deepened) > len(before.episode.deepened):
            kept_back = before.kept_back or self._why_not_open(episode)
            after = self._emit(after, Change.DEEPENED, episode.deepened[-1], kept_back)
        return self._answer_and_end(after, before.episode.end)

    def _open(self, after: EmittedEpisode) -> EmittedEpisode:
        observed = after.kept_back is KeptBack.OBSERVING
        kept_back = KeptBack.OBSERVING if observed else self._why_not_open(after.episode)
        notified = after.notified or kept_back is None
        after = replace(after, kept_back=kept_back, notified=notified, acknowledged=False)
        # The therapist reads how things are now; what is kept back is stored where it began.
        shows_at = self._newest if kept_back is None and self._newest is not None else after.episode.opened
        return self._emit(after, Change.OPENED, shows_at, kept_back)

    def _answer_and_end(self, after: EmittedEpisode, end_before: str | None) -> EmittedEpisode:
        episode = after.episode
        answered = _valid_answer(self._answers, after.episode_id) is not None
        if answered and not after.acknowledged and episode.end is None:
            shows_at = self._newest or episode.opened
            after = self._emit(after, Change.ACKNOWLEDGED, shows_at, self._why_not_follow(after))
        after = replace(after, acknowledged=answered)
        if episode.end is not None and (episode.end != end_before or self._is_drawn_anew(after)):
            shows_at = episode.closed or episode.opened
            after = self._emit(after, Change(episode.end.value), shows_at, self._why_not_follow(after))
        return self._follow(after)

    def _is_drawn_anew(self, after: EmittedEpisode) -> bool:
        """Return whether the picture that a closed episode was shown with has changed."""
        closed = after.episode.closed
        changed = self._changed_from
        return after.notified and closed is not None and changed is not None and changed <= closed

    def _follow(self, after: EmittedEpisode) -> EmittedEpisode:
        """Emit the newest session of an open episode, unless a change was shown at it as it is now."""
        newest = self._newest
        if not after.notified or after.episode.end is not None or newest is None or newest == after.shown:
            return after
        return self._emit(after, Change.CONTINUED, newest, self._why_not_follow(after))

    def _emit(
        self, after: EmittedEpisode, change: Change, shows_at: SessionOrder, kept_back: KeptBack | None
    ) -> EmittedEpisode:
        revision = max(after.revision, self._revision_floor) + 1
        after = replace(after, revision=revision, shown=shows_at)
        self.changes.append(EpisodeChange(after, change, shows_at, kept_back))
        return after

    def _why_not_open(self, episode: Episode) -> KeptBack | None:
        if self._live_from is not None and episode.opened.session_at <= self._live_from:
            return KeptBack.OBSERVING
        holds = episode.end is None and self._flagged
        return self._outside or (None if holds else KeptBack.NOT_NEWEST)

    def _why_not_follow(self, after: EmittedEpisode) -> KeptBack | None:
        # How an episode continues concerns only a therapist who was notified that it began.
        return (None if after.notified else after.kept_back) or self._outside
