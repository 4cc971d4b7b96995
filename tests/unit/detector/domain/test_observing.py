"""A practice that observes is told nothing; once live, it is told only what opens later."""

from dataclasses import replace
from datetime import timedelta

from tests.support.detector.episode_timeline import ALWAYS, BEGAN, emit, in_short, session
from tests.unit.detector.domain.test_episode_changes import FLAGGED, NOTHING, QUIET, after, decided

OBSERVING = replace(ALWAYS, observing=True)
LIVE = replace(ALWAYS, live_from=BEGAN + timedelta(weeks=2))
"""Live since the session of week 2."""


def test_nothing_is_told_while_a_practice_observes() -> None:
    opened = decided(session(0, FLAGGED, level=0.7))
    deeper = decided(
        session(0, FLAGGED, level=0.7), session(1, FLAGGED, level=0.4), before=after(opened, OBSERVING)
    )
    assert [in_short(emit(one, OBSERVING)[0]) for one in (opened, deeper)] == [
        [("opened", "observing")],
        [("deepened", "observing")],
    ]


def test_observing_is_the_reason_even_where_another_one_applies() -> None:
    window = replace(OBSERVING, tell_from=BEGAN)
    assert in_short(emit(decided(session(0, FLAGGED)), window)[0]) == [("opened", "observing")]


def test_an_episode_that_opened_before_going_live_is_never_told() -> None:
    sessions = [session(0, FLAGGED, level=0.7)]
    decision = after(decided(*sessions), OBSERVING)
    said = []
    for week, level in ((3, 0.7), (4, 0.4), (5, 0.2)):
        sessions.append(session(week, FLAGGED, level=level))
        now = decided(*sessions, before=decision)
        said += in_short(emit(now, LIVE)[0])
        decision = after(now, LIVE)
    assert said == [("deepened", "observing"), ("deepened", "observing")]


def test_an_episode_of_the_history_that_was_open_when_the_practice_went_live_is_not_told() -> None:
    history = after(decided(session(0, FLAGGED)), replace(ALWAYS, tell_from=BEGAN))
    now = decided(session(0, FLAGGED), session(3, FLAGGED), before=history)
    assert in_short(emit(now, LIVE)[0]) == []


def test_an_episode_that_is_found_later_but_opened_before_is_not_told() -> None:
    assert in_short(emit(decided(session(2, FLAGGED), session(3, FLAGGED)), LIVE)[0]) == [
        ("opened", "observing")
    ]


def test_an_episode_that_was_withdrawn_while_observing_and_comes_back_is_not_told() -> None:
    opened = after(decided(session(3, FLAGGED)), OBSERVING)
    gone = after(decided(session(3, QUIET), before=opened), OBSERVING)
    back = decided(session(3, FLAGGED), before=gone)
    assert in_short(emit(back, LIVE)[0]) == [("opened", "observing")]


def test_what_opens_after_going_live_is_told() -> None:
    quiet = [session(week, QUIET) for week in range(3)]
    before = after(decided(*quiet, before=NOTHING), OBSERVING)
    assert in_short(emit(decided(*quiet, session(3, FLAGGED), before=before), LIVE)[0]) == [("opened", None)]


def test_an_episode_that_was_told_before_is_closed_while_the_practice_observes() -> None:
    told = after(decided(session(0, FLAGGED)))
    sessions = session(0, FLAGGED), session(1, QUIET), session(2, QUIET)
    changes, now = emit(decided(*sessions, before=told), OBSERVING)
    assert in_short(changes) == [("repaired", "observing")]
    assert now[0].notified
