"""A sentence on how an episode went on that the marks contradict is found."""

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest
from babel import Locale

from lab.messages.closing_check import Closing, check_closing, check_later
from lab.messages.fact_check import FactCheck
from lab.messages.stated_course import RatedSession
from schemas.components import Component
from schemas.facts import ComponentFact, EmptyForms, Facts, Shape, Standing
from schemas.instruments.catalogue import Catalogue
from schemas.wording import message_sentences
from schemas.wording.wording import LANGUAGES, Wording, shared_sentences

WORDINGS = [Wording(name, Locale.parse(name), shared_sentences(name)) for name in LANGUAGES]
UTC_ZONE = ZoneInfo("UTC")
SCALE = Catalogue.load().get("srs")
WEEKS = [datetime(2026, 1, 5, 10, tzinfo=UTC) + timedelta(weeks=number) for number in range(9)]
GOALS = (9.0, 9.2, 9.0, 4.0, None, 7.0, 8.6, 8.8)
SESSIONS = [
    RatedSession(at, {} if mark is None else {Component.GOAL: mark, Component.BOND: 8.0})
    for at, mark in zip(WEEKS, GOALS, strict=False)
]
TOLD = 3
MARK_IS_FALSE = "the mark is that of the last form"
LATER_IS_FALSE = "the later marks are those of the session"


def at_session(number: int, mark: float | None = None, lasting: float | None = None) -> Facts:
    """Return the facts of a session; the mark of goals is the true one where none is given."""
    form = max(place for place in range(number + 1) if GOALS[place] is not None)
    goal = ComponentFact(
        component=Component.GOAL,
        standing=Standing.FELL,
        mark=GOALS[form] if mark is None else mark,
        usual=9.0,
        usual_low=9.0,
        usual_high=9.2,
        lasting=lasting,
    )
    bond = ComponentFact(component=Component.BOND, standing=Standing.HELD, mark=8.0, usual=8.0)
    empty = None if form == number else EmptyForms(last_at=WEEKS[number], count=1, of=number + 1)
    return Facts(shape=Shape.STEP, components=(goal, bond), form_at=WEEKS[form], empty=empty, forms=form + 1)


def form_instead_of_none() -> Facts:
    return at_session(TOLD).model_copy(update={"form_at": WEEKS[4]})


def of_later(later: Sequence[Facts], up_to: int) -> FactCheck:
    check = FactCheck()
    for wording in WORDINGS:
        check.add(check_later(at_session(TOLD), later, SESSIONS[: up_to + 1], wording, UTC_ZONE))
    return check


def of_closing(facts: Facts, up_to: int, *, settled: bool = False) -> FactCheck:
    check = FactCheck()
    for wording in WORDINGS:
        closing = Closing(at_session(TOLD), facts, settled)
        check.add(check_closing(closing, SESSIONS[: up_to + 1], SCALE, wording, UTC_ZONE))
    return check


def test_later_sessions_with_their_marks_violate_nothing() -> None:
    for up_to in range(TOLD, len(SESSIONS)):
        check = of_later([at_session(number) for number in range(TOLD + 1, up_to + 1)], up_to)
        assert check.violations == []
        assert check.statements >= 2


@pytest.mark.parametrize(
    ("later", "violation"),
    [
        ([at_session(4), at_session(5, mark=6.5)], LATER_IS_FALSE),
        ([at_session(5)], "the newest three later sessions are told"),
        ([at_session(4)], "the newest three later sessions are told"),
        ([at_session(4), at_session(6)], "a later session is dated"),
        ([], "later sessions are told where there are any"),
        ([form_instead_of_none(), at_session(5)], "no form is told of a session without one"),
    ],
)  # fmt: skip
def test_a_false_later_session_is_found(later: Sequence[Facts], violation: str) -> None:
    assert violation in of_later(later, 5).violations


def test_a_true_closing_violates_nothing() -> None:
    assert of_closing(at_session(6), 6).violations == []
    assert of_closing(at_session(6, lasting=7.0), 6, settled=True).violations == []
    assert of_closing(at_session(5), 5).statements > 12


def test_a_false_mark_at_a_closing_is_found() -> None:
    assert MARK_IS_FALSE in of_closing(at_session(6, mark=8.9), 6).violations
    assert MARK_IS_FALSE in of_closing(at_session(6, lasting=5.0), 6, settled=True).violations


def test_a_mark_that_is_called_near_and_is_not_is_found(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(message_sentences, "FAR_SHARE", 0.5)
    assert "repaired.near holds" in of_closing(at_session(5), 5).violations


def test_a_level_that_is_called_lower_and_is_not_is_found(monkeypatch: pytest.MonkeyPatch) -> None:
    sessions = [*SESSIONS[:4], *(RatedSession(at, {Component.GOAL: 9.0}) for at in WEEKS[4:7])]
    monkeypatch.setattr(Wording, "value", lambda _, value: -value)
    check = FactCheck()
    facts = at_session(6, lasting=9.0)
    raised = facts.components[0].model_copy(update={"usual": 8.8})
    facts = facts.model_copy(update={"components": (raised,)})
    closing = Closing(at_session(TOLD), facts, settled=True)
    check.add(check_closing(closing, sessions, SCALE, WORDINGS[0], UTC_ZONE))
    assert "settled.lower holds" in check.violations
