"""Episodes as they are and as they were last told in, the changes between the two out.

An episode that overlaps one that was emitted keeps its id, whatever its first session is now; one that
vanished is withdrawn. A change is told only if it holds at the dyad's newest session and that session is
recent enough for the practice; otherwise it is kept back, with the reason. An open episode that was never
told is opened anew at the first session at which it may be told and is still flagged.

Answers never change a risk or an episode. `not-relevant` and `outside-event` silence it: no `opened` and no
`deepened` any more; how it closes is still said. `undone` (a newer answer revision) lifts that.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from typing import NamedTuple
from uuid import UUID

from msgspec import Struct
from msgspec.structs import replace

from schemas.events import Answer, Change, KeptBack
from schemas.ids import DyadId, episode_id
from schemas.rating_order import SessionOrder
from services.detector.domain.episodes import NO_SESSIONS, Episode, EpisodeState, as_of

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
    """Why its last opening was not told; None: it was told."""
    told: bool = False
    """Somebody was told of it, now or before."""


class Decision(Struct, frozen=True, array_like=True):
    """All that the decisions about one dyad rest on, stored with it: no history is needed to go on."""

    folded: EpisodeState = NO_SESSIONS
    emitted: tuple[EmittedEpisode, ...] = ()
    answers: dict[UUID, TherapistAnswer] = {}
    day: date | None = None
    """The newest day on which the dyad was looked at for want of sessions."""


@dataclass(frozen=True, slots=True)
class AlertWindow:
    """What a practice wants to be told about, and what time it is."""

    tell_from: datetime | None
    """None: about all sessions."""
    max_age: timedelta | None
    """None: however long ago the session was."""
    now: datetime


class EpisodeChange(NamedTuple):
    """One change to publish: of which episode, at which session it shows, and why it is kept back."""

    after: EmittedEpisode
    change: Change
    place: SessionOrder
    kept_back: KeptBack | None


def record_answer(decision: Decision, episode: UUID, answered: TherapistAnswer) -> Decision:
    """The decision with this answer, unless a newer one is known; the episode need not be."""
    known = decision.answers.get(episode)
    if known is not None and known.revision >= answered.revision:
        return decision
    return replace(decision, answers={**decision.answers, episode: answered})


def compute_changes(
    dyad: DyadId, decision: Decision, telling: AlertWindow
) -> tuple[list[EpisodeChange], tuple[EmittedEpisode, ...]]:
    """The changes since the last emission, in order, and what is emitted after them."""
    view = as_of(decision.folded, decision.day)
    if not view and not decision.emitted:
        return [], ()
    told: list[EpisodeChange] = []
    scene = _Scene(decision, telling)
    pairs, vanished = _match(dyad, view, decision.emitted)
    after = [_withdraw(before, told) for before in vanished]
    after += [
        scene.go_on(known, now, told) if known else scene.begin(own_id, now, told)
        for known, own_id, now in pairs
    ]
    return told, tuple(after)


def episode_status(one: EmittedEpisode, answers: Mapping[UUID, TherapistAnswer]) -> str:
    """The state of an episode in one word, for lists: open, acknowledged, repaired, … or withdrawn."""
    if one.withdrawn:
        return "withdrawn"
    if one.episode.end is not None:
        return one.episode.end.value
    return "acknowledged" if _answer(answers, one.episode_id) is not None else "open"


_Pair = tuple[EmittedEpisode | None, UUID, Episode]


def _match(
    dyad: DyadId, view: Sequence[Episode], emitted: Sequence[EmittedEpisode]
) -> tuple[list[_Pair], list[EmittedEpisode]]:
    live = [one for one in emitted if not one.withdrawn]
    if len(live) == len(view) and all(a.episode.opened == b.opened for a, b in zip(live, view, strict=True)):
        at_rest = [one for one in emitted if one.withdrawn]
        return [(a, a.episode_id, b) for a, b in zip(live, view, strict=True)], at_rest
    natural = [episode_id(dyad, one.opened.session_id, one.opened.instrument) for one in view]
    left = {one.episode_id: one for one in emitted}
    # Its own id first: so no other episode can be given an id that this one would have to take anew.
    found: list[EmittedEpisode | None] = [left.pop(own, None) for own in natural]
    for index, episode in enumerate(view):
        if found[index] is None:
            same = next((o for o in left.values() if not o.withdrawn and _overlap(o.episode, episode)), None)
            if same is not None:
                found[index] = left.pop(same.episode_id)
    return list(zip(found, natural, view, strict=True)), list(left.values())


def _overlap(a: Episode, b: Episode) -> bool:
    return (b.closed is None or a.opened <= b.closed) and (a.closed is None or b.opened <= a.closed)


def _answer(answers: Mapping[UUID, TherapistAnswer], episode: UUID) -> Answer | None:
    given = answers.get(episode)
    return None if given is None or given.answer is Answer.UNDONE else given.answer


def _withdraw(before: EmittedEpisode, told: list[EpisodeChange]) -> EmittedEpisode:
    if before.withdrawn:
        return before
    after = replace(before, revision=before.revision + 1, withdrawn=True)
    # Whoever was told must learn it, however old the session is.
    kept = None if before.told else before.kept_back
    told.append(EpisodeChange(after, Change.WITHDRAWN, before.episode.opened, kept))
    return after


class _Scene:
    """What all episodes of one dyad share: its newest session, the answers, what the practice wants."""

    def __init__(self, decision: Decision, telling: AlertWindow) -> None:
        self._answers = decision.answers
        self._newest = decision.folded.last
        self._flagged = decision.folded.flagged
        self._aged = _aged(self._newest, telling)

    def begin(self, own_id: UUID, now: Episode, told: list[EpisodeChange]) -> EmittedEpisode:
        """An episode that nobody has heard of."""
        return self._rest(self._open(EmittedEpisode(own_id, 0, now), now, told), None, now, told)

    def go_on(self, before: EmittedEpisode, now: Episode, told: list[EpisodeChange]) -> EmittedEpisode:
        """An episode that was emitted before."""
        after = replace(before, episode=now, withdrawn=False)
        quiet = _answer(self._answers, before.episode_id) in SILENCING
        again = before.withdrawn or (before.episode.end is not None and now.end is None)
        at_last = before.kept_back is not None and self._may_open(now) is None
        if not quiet and (again or at_last):
            return self._rest(self._open(after, now, told), None, now, told)
        if not quiet and len(now.deepened) > len(before.episode.deepened):
            kept = before.kept_back or self._may_open(now)
            after = replace(after, revision=after.revision + 1)
            told.append(EpisodeChange(after, Change.DEEPENED, now.deepened[-1], kept))
        return self._rest(after, before.episode.end, now, told)

    def _open(self, after: EmittedEpisode, now: Episode, told: list[EpisodeChange]) -> EmittedEpisode:
        kept = self._may_open(now)
        after = replace(
            after,
            revision=after.revision + 1,
            kept_back=kept,
            told=after.told or kept is None,
            acknowledged=False,
        )
        # What is told is how things stand now; what is stored is where it began.
        place = self._newest if kept is None and self._newest is not None else now.opened
        told.append(EpisodeChange(after, Change.OPENED, place, kept))
        return after

    def _rest(
        self, after: EmittedEpisode, end: str | None, now: Episode, told: list[EpisodeChange]
    ) -> EmittedEpisode:
        answered = _answer(self._answers, after.episode_id) is not None
        if answered and not after.acknowledged and now.end is None:
            after = replace(after, revision=after.revision + 1)
            told.append(
                EpisodeChange(after, Change.ACKNOWLEDGED, self._newest or now.opened, self._follows(after))
            )
        after = replace(after, acknowledged=answered)
        if now.end is not None and now.end != end:
            after = replace(after, revision=after.revision + 1)
            told.append(
                EpisodeChange(after, Change(now.end.value), now.closed or now.opened, self._follows(after))
            )
        return after

    def _may_open(self, now: Episode) -> KeptBack | None:
        holds = now.end is None and self._flagged
        return self._aged or (None if holds else KeptBack.NOT_NEWEST)

    def _follows(self, after: EmittedEpisode) -> KeptBack | None:
        # How an episode goes on is told only to someone who was told that it began.
        return (None if after.told else after.kept_back) or self._aged


def _aged(newest: SessionOrder | None, telling: AlertWindow) -> KeptBack | None:
    if newest is None:
        return KeptBack.NOT_NEWEST
    if telling.tell_from is not None and newest.session_at <= telling.tell_from:
        return KeptBack.HISTORIC
    if telling.max_age is not None and telling.now - newest.session_at > telling.max_age:
        return KeptBack.TOO_OLD
    return None
