"""Decides each changed dyad's episodes and what about them is to be published."""

from services.detector.domain.dyad_work import DyadWork
from services.detector.domain.episode_changes import Decision, EmittedEpisode, compute_changes, episode_status
from services.detector.domain.episode_state import NO_SESSIONS
from services.detector.domain.episodes import fold_episodes
from services.detector.stream.batch import Batch, Tools


async def decide(batch: Batch, _tools: Tools) -> None:
    """Decide for every dyad with something new: ratings, responses or a day that passed."""
    await batch.compute(_decide_all)


def _decide_all(batch: Batch) -> None:
    for dyad in batch.dyads.values():
        if dyad.touched or dyad.responses or dyad.is_restored or batch.day is not None:
            _decide(dyad, batch)


def _decide(dyad: DyadWork, batch: Batch) -> None:
    before = dyad.decision
    start = NO_SESSIONS if dyad.refold else before.folded
    risks = [session.session_risk for session in dyad.sessions if session.session_risk is not None]
    folded, steps = fold_episodes(start, risks)
    for session, step in zip(dyad.sessions, steps, strict=True):
        session.episode_step = step
    day = before.day if batch.day is None else max(batch.day, before.day or batch.day)
    decision = Decision(folded, before.emitted, before.answers, day)
    newest_changed = any(version.order == folded.last for version in dyad.touched.values())
    shown_changed = newest_changed or dyad.corrected
    dyad.episode_changes, emitted = compute_changes(
        dyad.id,
        decision,
        dyad.practice.alert_window(batch.tx.now),
        shown_changed=shown_changed,
        changed_from=dyad.changed_from,
        revision_floor=dyad.revision_floor,
    )
    dyad.decision = Decision(folded, emitted, before.answers, day)
    count = len(folded.episodes)
    dyad.episode_ids = tuple(episode.episode_id for episode in emitted[len(emitted) - count :])
    stored = dyad.decision_before
    listed = {_as_listed(episode, stored) for episode in stored.emitted} if emitted else set()
    dyad.changed_episodes = tuple(
        episode for episode in emitted if _as_listed(episode, dyad.decision) not in listed
    )


def _as_listed(emitted: EmittedEpisode, decision: Decision) -> tuple[object, ...]:
    """Return what a list of episodes shows of one; the fold's counters are not shown."""
    status = episode_status(emitted, decision.answers)
    episode = emitted.episode
    return emitted.episode_id, emitted.revision, status, episode.opened, episode.closed, emitted.notified
