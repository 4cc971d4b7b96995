"""Decides each changed dyad's episodes and what about them is to be published."""

from services.detector.domain.dyad_work import DyadWork
from services.detector.domain.episode_changes import Decision, EmittedEpisode, compute_changes, episode_status
from services.detector.domain.episodes import NO_SESSIONS, fold_episodes
from services.detector.stream.batch import Batch, Tools


async def decide(batch: Batch, _tools: Tools) -> None:
    """Decide for every dyad with something new: ratings, responses or a day that passed."""
    for dyad in batch.dyads.values():
        if dyad.touched or dyad.responses or batch.day is not None:
            _decide(dyad, batch)


def _decide(dyad: DyadWork, batch: Batch) -> None:
    before = dyad.decision
    start = NO_SESSIONS if dyad.refold else before.folded
    scored = [session.scored for session in dyad.sessions if session.scored is not None]
    folded, seen = fold_episodes(start, scored)
    for session, one in zip(dyad.sessions, seen, strict=True):
        session.seen = one
    day = before.day if batch.day is None else max(batch.day, before.day or batch.day)
    decision = Decision(folded, before.emitted, before.answers, day)
    telling = dyad.practice.alert_window(batch.tx.now)
    dyad.told, emitted = compute_changes(dyad.id, decision, telling)
    dyad.decision = Decision(folded, emitted, before.answers, day)
    count = len(folded.episodes)
    dyad.episode_ids = tuple(one.episode_id for one in emitted[len(emitted) - count :])
    stored = dyad.decision_before
    known = {_shown(one, stored) for one in stored.emitted} if emitted else set()
    dyad.changed_episodes = tuple(one for one in emitted if _shown(one, dyad.decision) not in known)


def _shown(one: EmittedEpisode, decision: Decision) -> tuple[object, ...]:
    # What a list of episodes shows; counters of the fold are none of it.
    state = episode_status(one, decision.answers)
    return one.episode_id, one.revision, state, one.episode.opened, one.episode.closed, one.notified
