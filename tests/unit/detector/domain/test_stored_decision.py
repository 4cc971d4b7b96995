"""A decision that an earlier version stored is read, and goes on as that version would have gone on."""

from datetime import date
from uuid import UUID

import msgspec
import pytest

from schemas.events import Answer, KeptBack, OpenedBy
from services.detector.domain.episode_changes import Decision, EmittedEpisode, TherapistAnswer
from services.detector.domain.episode_state import Episode, EpisodeEnd, EpisodeState
from services.detector.domain.episodes import fold_episodes
from tests.support.detector.episode_timeline import emit, in_short, order, session

STORED = bytes.fromhex(
    "9494929693d6ff695b8ba0a27330a3737273cb3fe66666666666669002a8726570616972656493d6ff696e00a0a27332"
    "a37372739693d6ff69ae9a20a27339a3737273cb3fe66666666666669000c0c093d6ff69ae9a20a27339a3737273c3c3"
    "9297d92437383435343866652d313563652d353464642d396262662d326264323033386366323464029693d6ff695b8b"
    "a0a27330a3737273cb3fe66666666666669002a8726570616972656493d6ff696e00a0a27332a3737273c2c2aa6e6f74"
    "2d6e6577657374c297d92433643633636632652d333339322d353266362d623033612d32353137373738373536653502"
    "9693d6ff69ae9a20a27339a3737273cb3fe66666666666669000c0c0c3c2c0c381d92433643633636632652d33333932"
    "2d353266362d623033612d3235313737373837353665359201a9646973637573736564aa323032362d30332d3130"
)
"""As version 0.2.0 packed it: four sessions, a repaired episode that was kept back, and an open one that was
told and answered."""
FIRST, SECOND = UUID("784548fe-15ce-54dd-9bbf-2bd2038cf24d"), UUID("3d63cf2e-3392-52f6-b03a-2517778756e5")
REPAIRED = Episode(order(0), 0.7, under=2, end=EpisodeEnd.REPAIRED, closed=order(2))
OPEN = Episode(order(9), 0.7)


@pytest.fixture
def decision() -> Decision:
    return msgspec.msgpack.decode(STORED, type=Decision)


def test_a_stored_decision_is_read(decision: Decision) -> None:
    assert decision == Decision(
        EpisodeState((REPAIRED, OPEN), order(9), flagged=True, over=True),
        (
            EmittedEpisode(FIRST, 2, REPAIRED, kept_back=KeptBack.NOT_NEWEST),
            EmittedEpisode(SECOND, 2, OPEN, acknowledged=True, notified=True),
        ),
        {SECOND: TherapistAnswer(1, Answer.DISCUSSED)},
        date(2026, 3, 10),
    )


def test_a_stored_episode_was_opened_by_its_risk(decision: Decision) -> None:
    assert {each.opened_by for each in decision.folded.episodes} == {OpenedBy.RISK}


def test_a_stored_episode_without_a_usual_level_repairs_by_its_risk(decision: Decision) -> None:
    state, steps = fold_episodes(decision.folded, [session(10, 0.1), session(11, 0.1)])
    assert [each.step for each in steps] == ["open", "repaired"]
    after = Decision(state, decision.emitted, decision.answers, decision.day)
    assert in_short(emit(after)[0]) == [("repaired", None)]


def test_what_is_stored_now_is_read_back(decision: Decision) -> None:
    packed = msgspec.msgpack.encode(decision)
    assert msgspec.msgpack.decode(packed, type=Decision) == decision
