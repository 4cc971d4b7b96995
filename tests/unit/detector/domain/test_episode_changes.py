"""Changes of episodes are notified, kept back or withdrawn, and never repeated."""

from datetime import timedelta
from uuid import uuid4

from schemas.events import Answer
from services.detector.domain.episode_changes import (
    Decision,
    TherapistAnswer,
    episode_status,
    record_answer,
)
from services.detector.domain.episode_state import NO_SESSIONS
from services.detector.domain.episodes import fold_episodes
from services.detector.domain.practice import AlertWindow
from services.detector.domain.session_risk import SessionRisk
from tests.support.detector.episode_timeline import ALWAYS, BEGAN, emit, in_short, order, session

QUIET, FLAGGED = 0.1, 0.9


NOTHING = Decision()


def decided(*sessions: SessionRisk, before: Decision = NOTHING) -> Decision:
    """Return the decision when the history is now these sessions."""
    return Decision(fold_episodes(NO_SESSIONS, sessions)[0], before.emitted, before.answers, before.day)


def after(decision: Decision, window: AlertWindow = ALWAYS) -> Decision:
    """Return the decision once its changes were emitted."""
    return Decision(decision.folded, emit(decision, window)[1], decision.answers, decision.day)


def answered(decision: Decision, answer: Answer, revision: int = 1) -> Decision:
    return record_answer(decision, decision.emitted[-1].episode_id, TherapistAnswer(revision, answer))


def test_an_episode_is_notified_once() -> None:
    first = decided(session(0, FLAGGED))
    again = decided(session(0, FLAGGED), session(1, FLAGGED), before=after(first))
    assert (in_short(emit(first)[0]), in_short(emit(again)[0])) == (
        [("opened", None)],
        [("continued", None)],
    )


def test_a_later_session_of_a_notified_episode_is_emitted_once() -> None:
    opened = after(decided(session(0, FLAGGED)))
    now = decided(session(0, FLAGGED), session(1, QUIET), before=opened)
    changes, _ = emit(now)
    assert [("continued", order(1))] == [(each.change.value, each.order) for each in changes]
    assert emit(after(now))[0] == []


def test_an_acknowledged_episode_is_continued_too() -> None:
    decision = after(answered(after(decided(session(0, FLAGGED))), Answer.DISCUSSED))
    now = decided(session(0, FLAGGED), session(1, QUIET), before=decision)
    assert (in_short(emit(now)[0]), episode_status(emit(now)[1][0], now.answers)) == (
        [("continued", None)],
        "acknowledged",
    )


def test_a_session_at_which_something_else_is_emitted_is_not_continued() -> None:
    opened = after(decided(session(0, FLAGGED, level=0.7)))
    deeper = decided(session(0, FLAGGED, level=0.7), session(1, FLAGGED, level=0.4), before=opened)
    assert in_short(emit(deeper)[0]) == [("deepened", None)]


def test_a_session_after_the_one_that_deepened_is_shown_although_both_came_together() -> None:
    opened = after(decided(session(0, FLAGGED, level=0.7)))
    sessions = session(0, FLAGGED, level=0.7), session(1, FLAGGED, level=0.4), session(2, QUIET)
    changes, _ = emit(decided(*sessions, before=opened))
    assert [("deepened", order(1)), ("continued", order(2))] == [
        (each.change.value, each.order) for each in changes
    ]


def test_an_episode_that_was_kept_back_is_not_continued() -> None:
    window = AlertWindow(BEGAN, None, ALWAYS.now)
    history = after(decided(session(0, FLAGGED)), window)
    now = decided(session(0, FLAGGED), session(1, QUIET), before=history)
    assert emit(now, window)[0] == []


def test_a_later_session_that_is_too_old_is_kept_back() -> None:
    opened = after(decided(session(0, FLAGGED)))
    now = decided(session(0, FLAGGED), session(1, QUIET), before=opened)
    window = AlertWindow(None, timedelta(days=21), BEGAN + timedelta(days=300))
    assert in_short(emit(now, window)[0]) == [("continued", "too-old")]


def test_an_older_session_that_comes_late_is_not_continued() -> None:
    opened = after(decided(session(0, FLAGGED), session(2, FLAGGED)))
    now = decided(session(0, FLAGGED), session(1, QUIET), session(2, FLAGGED), before=opened)
    assert emit(now)[0] == []


def test_a_correction_of_the_newest_session_is_emitted_once() -> None:
    opened = after(decided(session(0, FLAGGED)))
    changes, now = emit(opened, shown_changed=True)
    assert [("continued", order(0), 2)] == [(c.change.value, c.order, c.after.revision) for c in changes]
    assert emit(Decision(opened.folded, now))[0] == []


def test_a_correction_of_the_newest_session_that_deepens_the_episode_is_not_emitted_twice() -> None:
    opened = after(decided(session(0, FLAGGED, level=0.7), session(1, FLAGGED, level=0.7)))
    deeper = decided(session(0, FLAGGED, level=0.7), session(1, FLAGGED, level=0.4), before=opened)
    assert in_short(emit(deeper, shown_changed=True)[0]) == [("deepened", None)]


def test_a_dyad_without_episodes_emits_nothing() -> None:
    assert emit(decided(session(0, QUIET))) == ([], ())


def test_an_episode_that_came_and_went_in_the_history_is_kept_back() -> None:
    decision = decided(session(0, FLAGGED), session(1, QUIET), session(2, QUIET), session(3, QUIET))
    assert in_short(emit(decision)[0]) == [("opened", "not-newest"), ("repaired", "not-newest")]


def test_an_opening_that_still_holds_at_the_newest_session_is_notified_there() -> None:
    changes, _ = emit(decided(session(0, FLAGGED), session(1, FLAGGED)))
    assert [(None, order(1), order(0))] == [
        (each.kept_back, each.order, each.after.episode.opened) for each in changes
    ]


def test_sessions_before_tell_from_are_historic() -> None:
    window = AlertWindow(BEGAN, None, ALWAYS.now)
    assert in_short(emit(decided(session(0, FLAGGED)), window)[0]) == [("opened", "historic")]


def test_sessions_that_are_too_old_are_kept_back() -> None:
    window = AlertWindow(None, timedelta(days=21), BEGAN + timedelta(days=22))
    assert in_short(emit(decided(session(0, FLAGGED)), window)[0]) == [("opened", "too-old")]


def test_an_episode_that_began_in_the_history_is_notified_when_it_continues() -> None:
    window = AlertWindow(BEGAN, None, ALWAYS.now)
    history = after(decided(session(0, FLAGGED)), window)
    now = decided(session(0, FLAGGED), session(1, FLAGGED), before=history)
    assert in_short(emit(now, window)[0]) == [("opened", None)]


def test_the_repair_of_an_episode_that_was_kept_back_is_kept_back() -> None:
    window = AlertWindow(BEGAN, None, ALWAYS.now)
    history = after(decided(session(0, FLAGGED)), window)
    now = decided(session(0, FLAGGED), session(1, QUIET), session(2, QUIET), before=history)
    assert in_short(emit(now, window)[0]) == [("repaired", "historic")]


def test_the_repair_of_a_notified_episode_is_notified() -> None:
    opened = after(decided(session(0, FLAGGED)))
    now = decided(session(0, FLAGGED), session(1, QUIET), session(2, QUIET), before=opened)
    assert in_short(emit(now)[0]) == [("repaired", None)]


def test_an_episode_that_vanishes_is_withdrawn() -> None:
    opened = after(decided(session(0, FLAGGED)))
    changes, emitted = emit(decided(session(0, QUIET), before=opened))
    assert (in_short(changes), episode_status(emitted[0], {})) == ([("withdrawn", None)], "withdrawn")


def test_a_withdrawal_is_notified_however_old_the_session_is() -> None:
    opened = after(decided(session(0, FLAGGED)))
    window = AlertWindow(None, timedelta(days=21), BEGAN + timedelta(days=300))
    assert in_short(emit(decided(session(0, QUIET), before=opened), window)[0]) == [("withdrawn", None)]


def test_a_withdrawn_episode_that_comes_back_keeps_its_id_and_counts_revisions_on() -> None:
    gone = after(decided(session(0, QUIET), before=after(decided(session(0, FLAGGED)))))
    changes, _ = emit(decided(session(0, FLAGGED), before=gone))
    assert [(gone.emitted[0].episode_id, 3)] == [
        (each.after.episode_id, each.after.revision) for each in changes
    ]


def test_an_episode_that_now_began_earlier_keeps_its_id_and_is_not_notified_again() -> None:
    opened = after(decided(session(1, FLAGGED)))
    changes, emitted = emit(decided(session(0, FLAGGED), session(1, FLAGGED), before=opened))
    assert ([], opened.emitted[0].episode_id) == (changes, emitted[0].episode_id)


def test_two_episodes_never_share_an_id() -> None:
    # The first keeps the id that the second would have by itself.
    one = after(decided(session(1, FLAGGED)))
    merged = after(decided(session(0, FLAGGED), session(1, FLAGGED), before=one))
    apart = decided(session(0, FLAGGED), session(9, FLAGGED), session(20, FLAGGED), before=merged)
    ids = [emitted.episode_id for emitted in emit(apart)[1]]
    assert len(ids) == len(set(ids)) == 3


def test_a_deeper_fall_is_notified_once_more() -> None:
    opened = after(decided(session(0, FLAGGED, level=0.7)))
    now = decided(session(0, FLAGGED, level=0.7), session(1, FLAGGED, level=0.4), before=opened)
    assert in_short(emit(now)[0]) == [("deepened", None)]


def test_an_answer_acknowledges() -> None:
    decision = answered(after(decided(session(0, FLAGGED))), Answer.DISCUSSED)
    changes, emitted = emit(decision)
    assert (
        in_short(changes),
        episode_status(emitted[0], decision.answers),
    ) == ([("acknowledged", None)], "acknowledged")


def test_a_discussed_episode_may_still_deepen() -> None:
    decision = after(answered(after(decided(session(0, FLAGGED, level=0.7))), Answer.DISCUSSED))
    now = decided(session(0, FLAGGED, level=0.7), session(1, FLAGGED, level=0.4), before=decision)
    assert in_short(emit(now)[0]) == [("deepened", None)]


def test_an_episode_that_is_not_relevant_stays_silent_when_it_deepens() -> None:
    decision = after(answered(after(decided(session(0, FLAGGED, level=0.7))), Answer.NOT_RELEVANT))
    now = decided(session(0, FLAGGED, level=0.7), session(1, FLAGGED, level=0.4), before=decision)
    assert in_short(emit(now)[0]) == [("continued", None)]


def test_an_undone_answer_no_longer_counts() -> None:
    decision = after(answered(after(decided(session(0, FLAGGED))), Answer.NOT_RELEVANT))
    undone = answered(decision, Answer.UNDONE, revision=2)
    assert episode_status(emit(undone)[1][0], undone.answers) == "open"


def test_an_older_answer_that_comes_late_changes_nothing() -> None:
    decision = answered(after(decided(session(0, FLAGGED))), Answer.UNDONE, revision=2)
    assert decision == answered(decision, Answer.DISCUSSED, revision=1)


def test_an_answer_about_an_unknown_episode_is_kept() -> None:
    episode = uuid4()
    decision = record_answer(Decision(), episode, TherapistAnswer(1, Answer.DISCUSSED))
    assert TherapistAnswer(1, Answer.DISCUSSED) == decision.answers[episode]


def test_six_weeks_without_sessions_close_an_episode_and_a_late_session_reopens_it() -> None:
    opened = after(decided(session(0, FLAGGED)))
    day = (BEGAN + timedelta(days=60)).date()
    closed = Decision(opened.folded, opened.emitted, {}, day)
    closed_after = after(closed)
    late = decided(session(0, FLAGGED), session(5, FLAGGED), before=closed_after)
    assert (in_short(emit(closed)[0]), in_short(emit(late)[0])) == (
        [("unrepaired", None)],
        [("opened", None)],
    )
