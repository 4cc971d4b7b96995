"""An episode opens, continues, deepens and ends, shown as timelines."""

from itertools import accumulate
from math import nan

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from schemas.components import Component
from services.detector.domain.assessment import Assessment, ComponentFinding
from services.detector.domain.episode_state import NO_SESSIONS, EpisodeEnd, EpisodeState
from services.detector.domain.episodes import as_of, fold_episodes
from services.detector.domain.session_risk import SessionRisk, may_flag
from tests.support.detector.episode_timeline import BEGAN, folded, form, order, session, steps


def weekly(*risks: float) -> list[str]:
    return steps(*(session(week, risk) for week, risk in enumerate(risks)))


def test_an_episode_opens_at_the_threshold() -> None:
    assert steps(session(0, 0.49), session(1, 0.5)) == ["", "opened"]


def test_a_risk_that_swings_around_the_threshold_is_one_episode() -> None:
    assert steps(*(session(w, r) for w, r in enumerate([0.6, 0.4, 0.6, 0.4]))) == [
        "opened",
        "open",
        "open",
        "open",
    ]


def test_two_rated_sessions_below_the_lower_bound_repair() -> None:
    assert steps(*(session(w, r) for w, r in enumerate([0.6, 0.2, 0.2, 0.2]))) == [
        "opened",
        "open",
        "repaired",
        "",
    ]


def test_a_session_above_the_lower_bound_restarts_the_repair() -> None:
    risks = [0.6, 0.2, 0.4, 0.2, 0.2]
    assert steps(*(session(w, r) for w, r in enumerate(risks))) == [
        "opened",
        "open",
        "open",
        "open",
        "repaired",
    ]


def test_a_declined_form_neither_counts_for_a_repair_nor_interrupts_it() -> None:
    done = steps(session(0, 0.6), session(1, 0.2), session(2, 0.2, level=None), session(3, 0.2))
    assert done == ["opened", "open", "open", "repaired"]


def test_a_new_fall_after_a_repair_is_a_new_episode() -> None:
    risks = [0.6, 0.2, 0.2, 0.7]
    state, _ = folded(*(session(w, r) for w, r in enumerate(risks)))
    assert [episode.end for episode in state.episodes] == [EpisodeEnd.REPAIRED, None]


def test_a_much_lower_form_deepens_the_episode() -> None:
    assert steps(session(0, 0.6, level=0.7), session(1, 0.6, level=0.6), session(2, 0.6, level=0.55)) == [
        "opened",
        "open",
        "deepened",
    ]


def test_an_episode_deepens_at_most_twice() -> None:
    levels = [0.9, 0.7, 0.5, 0.3, 0.1]
    assert steps(*(session(w, 0.9, level=level) for w, level in enumerate(levels))) == [
        "opened",
        "deepened",
        "deepened",
        "open",
        "open",
    ]


def test_a_session_that_may_not_be_flagged_opens_no_episode_however_high_the_risk() -> None:
    assert steps(session(0, 0.99, may_flag=False)) == [""]


def test_a_long_silence_at_or_above_the_lower_bound_ends_unrepaired() -> None:
    state, _ = folded(session(0, 0.6), session(7, 0.1))
    assert [(EpisodeEnd.UNREPAIRED, order(0))] == [(each.end, each.closed) for each in state.episodes]


def test_a_long_silence_below_the_lower_bound_ends_the_episode() -> None:
    state, _ = folded(session(0, 0.6), session(1, 0.1), session(8, 0.6))
    assert [each.end for each in state.episodes] == [EpisodeEnd.ENDED, None]


def test_a_day_closes_an_episode_in_the_view_but_not_in_the_fold() -> None:
    state, _ = folded(session(0, 0.6))
    later = BEGAN.date().replace(month=3)
    assert (as_of(state, later)[0].end, state.episodes[0].end) == (EpisodeEnd.UNREPAIRED, None)


def assessment(
    *, ratings: int = 9, level: float = 0.7, baseline: float = 0.9, score: float = 0.7
) -> Assessment:
    finding = ComponentFinding(0.2, score, baseline)
    return Assessment(0.9, {Component.BOND: finding}, Component.BOND, None, ratings, level)


@pytest.mark.parametrize(
    ("expected", "what"),
    [
        (True, assessment()),
        (False, assessment(ratings=2)),
        (True, assessment(ratings=2, level=0.4)),
        (False, assessment(ratings=1, level=nan)),
        (False, assessment(level=0.95, baseline=0.96, score=0.95)),
        (True, assessment(level=0.85, baseline=0.99, score=0.7)),
        (True, assessment(level=0.6, baseline=0.61, score=0.6)),
    ],
    ids=[
        "stable baseline",
        "early",
        "early-and-very-low",
        "early-and-declined",
        "high-and-flat",
        "high-with-a-fall",
        "low-and-flat",
    ],
)
def test_a_session_may_be_flagged_or_not(expected: bool, what: Assessment) -> None:  # noqa: FBT001 - a table of cases
    assert expected == may_flag(what)


RISKS = st.sampled_from([0.0, 0.1, 0.3, 0.35, 0.36, 0.5, 0.6, 0.99])
LEVELS = st.sampled_from([0.1, 0.25, 0.4, 0.55, 0.7, 0.85, 1.0])
WITHOUT_MARKS = st.builds(
    session, st.just(0), RISKS, level=st.none() | LEVELS, may_flag=st.booleans()
)  # fmt: skip
WITH_MARKS = st.builds(
    form,
    st.just(0),
    RISKS,
    st.dictionaries(st.sampled_from(Component), LEVELS, min_size=1),
    usual=st.none() | LEVELS,
    ratings=st.integers(1, 4),
)
SESSIONS = st.lists(
    st.tuples(st.integers(0, 60), WITHOUT_MARKS | WITH_MARKS), unique_by=lambda one: one[0]
).map(lambda rows: [each._replace(order=order(week)) for week, each in sorted(rows, key=lambda row: row[0])])


def counted(sessions: list[SessionRisk]) -> list[SessionRisk]:
    """Return the sessions with the true number of forms, so that the usual level comes from the forms."""
    given = accumulate(bool(each.marks) for each in sessions)
    return [each._replace(ratings=number) for each, number in zip(sessions, given, strict=True)]


@given(SESSIONS | SESSIONS.map(counted), st.data())
def test_continuing_from_any_stored_state_equals_folding_the_whole_history(
    sessions: list[SessionRisk], data: st.DataObject
) -> None:
    cut = data.draw(st.integers(0, len(sessions)))
    before, first = fold_episodes(NO_SESSIONS, sessions[:cut])
    stored = msgspec.msgpack.decode(msgspec.msgpack.encode(before), type=EpisodeState)
    state, rest = fold_episodes(stored, sessions[cut:])
    assert fold_episodes(NO_SESSIONS, sessions) == (state, first + rest)
