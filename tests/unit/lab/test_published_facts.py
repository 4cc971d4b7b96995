"""No published fact contradicts the marks, in simulated practices and in real ratings."""

from collections import Counter
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

import numpy as np
import pytest
from babel import Locale

from lab.messages.closing_check import Closing, check_closing, check_later
from lab.messages.fact_check import FactCheck, check_facts
from lab.messages.sentence_check import check_sentences
from lab.messages.stated_course import RatedSession
from lab.product_path import AssessedDyad, assess_cohort
from lab.simulator.cohort import simulate
from lab.simulator.two_state_cohort import simulate_two_state
from schemas.components import Component
from schemas.facts import Facts, Shape
from schemas.instruments.catalogue import Catalogue
from schemas.instruments.instrument import Instrument
from schemas.instruments.scoring import to_units
from schemas.wording.wording import LANGUAGES, Wording, shared_sentences
from services.detector.contracts import encode
from services.detector.domain.form import marks_of
from services.detector.model.trained_detector import TrainedDetector
from services.detector.published.events import facts_in_units
from services.detector.published.facts import SessionMarks, find_facts

OPENINGS = 500
CLIENTS = 60
WORDINGS = [Wording(name, Locale.parse(name), shared_sentences(name)) for name in LANGUAGES]
UTC_ZONE = ZoneInfo("UTC")


class Checks:
    """What was checked so far: by kind of opening, and in all."""

    def __init__(self) -> None:
        self.all = FactCheck()
        self.openings: Counter[Shape] = Counter()
        self.later = 0
        self.closings: Counter[str] = Counter()

    def add(self, dyad: AssessedDyad, instrument: Instrument) -> None:
        """Check what is stated at every session of the episodes of a dyad."""
        sessions = [SessionMarks(form.order.session_at, marks_of(form)) for form in dyad.forms]
        rated = [
            RatedSession(at, {part: to_units(instrument, mark) for part, mark in marks.items()})
            for at, marks in sessions
        ]
        opened, opening = 0, None
        told: list[Facts] = []
        for number, decision in enumerate(dyad.decisions, 1):
            if decision.step == "opened":
                opened, opening = number, None
            if decision.step:
                settled = decision.step == "settled"
                found = facts_in_units(find_facts(sessions[:number], opened, settled=settled), instrument)
                facts = Facts.model_validate_json(encode(found))
                scale = instrument.lowest, instrument.highest
                check = check_facts(facts, rated[:number], scale, opening)
                told = [facts] if decision.step in {"opened", "deepened"} else [*told, facts]
                for wording in WORDINGS:
                    check.add(check_sentences(facts, rated[:number], scale, wording, UTC_ZONE))
                    check.add(check_later(told[0], told[1:], rated[:number], wording, UTC_ZONE))
                    if decision.step in {"repaired", "settled"}:
                        closing = Closing(told[0], facts, settled)
                        check.add(check_closing(closing, rated[:number], instrument, wording, UTC_ZONE))
                        self.closings[decision.step] += 1
                self.all.statements += check.statements
                self.all.violations += check.violations
                self.later += opening is not None
                if opening is None:
                    opening = facts
                    self.openings[facts.shape] += 1


def test_no_fact_of_500_simulated_openings_contradicts_the_marks(
    detector: TrainedDetector, record_property: Callable[[str, object], None]
) -> None:
    checks = Checks()
    seed = 0
    while checks.openings.total() < OPENINGS:
        draw = (simulate, simulate_two_state)[seed % 2]
        cohort = draw(np.random.default_rng([77, seed]), CLIENTS)
        for dyad in assess_cohort(detector, cohort).dyads:
            checks.add(dyad, cohort.world.instrument)
        seed += 1
    record_property("statements", checks.all.statements)
    assert checks.all.violations == []
    assert set(checks.openings) == set(Shape)
    assert checks.later > OPENINGS
    assert set(checks.closings) == {"repaired", "settled"}
    assert checks.all.statements > 300 * OPENINGS


def test_no_fact_of_an_opening_in_real_ratings_contradicts_the_marks(
    real_dyads: list[AssessedDyad], record_property: Callable[[str, object], None]
) -> None:
    catalogue = Catalogue.load()
    checks = Checks()
    for dyad in real_dyads:
        checks.add(dyad, catalogue.get(dyad.forms[-1].order.instrument))
    record_property("statements", checks.all.statements)
    assert checks.all.violations == []
    assert checks.openings


WEEKS = [datetime(2026, 1, 5, 10, tzinfo=UTC) + timedelta(weeks=number) for number in range(5)]
SESSIONS = [
    RatedSession(at, {Component.GOAL: goal, Component.BOND: bond})
    for at, goal, bond in zip(WEEKS, (9, 9.2, 9, 4, 5), (8, 8, 8.2, 8, 8), strict=True)
]


def stated(**changes: object) -> Facts:
    """Return the facts of `SESSIONS`: goals fell at the fourth session."""
    goal = {"component": "goal", "standing": "fell", "mark": 5, "usual": 9, "usual_low": 9, "usual_high": 9.2}
    bond = {"component": "bond", "standing": "held", "mark": 8, "usual": 8, "usual_low": 8, "usual_high": 8.2}
    parts = [{**part, **_changes_of(part["component"], changes)} for part in (goal, bond)]
    whole = {name: value for name, value in changes.items() if "_of_" not in name}
    return Facts.model_validate(
        {"shape": "step", "components": parts, "form_at": WEEKS[4], "since": WEEKS[3], "forms": 5} | whole
    )


def _changes_of(component: object, changes: dict[str, object]) -> dict[str, object]:
    ending = f"_of_{component}"
    return {name.removesuffix(ending): value for name, value in changes.items() if name.endswith(ending)}


def violations(facts: Facts) -> list[str]:
    return check_facts(facts, SESSIONS, (0, 10)).violations


def test_true_facts_violate_nothing() -> None:
    assert violations(stated()) == []


@pytest.mark.parametrize(
    ("false", "violation"),
    [
        ({"since": WEEKS[4]}, "the form before since was not lower"),
        ({"since": WEEKS[2]}, "goal: lower at every form since"),
        ({"form_at": WEEKS[3]}, "the last form is the newest with marks"),
        ({"forms": 4}, "forms are those with marks"),
        ({"shape": "unclear"}, "a step is named where there is one"),
        ({"shape": "slide", "slide": (9.2, 9, 4, 5)}, "it is a slide"),
        ({"shape": "no-form"}, "no form: nothing fell, and none came"),
        ({"shape": "low-from-start"}, "low from the start names what is low"),
        (
            {"empty": {"last_at": WEEKS[4], "count": 1, "of": 5}},
            "a form of the newest session is no empty one",
        ),
        ({"mark_of_goal": 4}, "goal: the mark is that of the last form"),
        ({"usual_of_goal": 9.5, "usual_high_of_goal": 9.5}, "goal: range within marks given"),
        ({"usual_of_goal": 6, "usual_low_of_goal": 4}, "goal: marks at or under usual"),
        ({"standing_of_goal": "held"}, "goal: held"),
        ({"standing_of_bond": "fell"}, "bond: fell"),
        ({"standing_of_bond": "rose"}, "bond: rose"),
        ({"standing_of_bond": "somewhat-lower"}, "bond: somewhat-lower"),
        ({"standing_of_bond": "low"}, "bond: low from the start"),
        ({"lasting_of_goal": 9}, "goal: the lasting level is their middle"),
        ({"first_of_goal": 9}, "goal: first where no usual shows the fall"),
        ({"back_of_bond": True}, "bond: back near usual, or always there"),
        ({"began": (9, 9.2)}, "the first marks are told where a slide comes back to them"),
        ({"decimals": 0}, "a wide scale is shown without decimals"),
    ],
)
def test_a_false_fact_is_a_violation(false: dict[str, object], violation: str) -> None:
    assert violation in violations(stated(**false))


def test_a_usual_level_that_drifted_since_the_opening_is_a_violation() -> None:
    later = stated(usual_of_goal=8, usual_low_of_goal=8)
    check = check_facts(later, SESSIONS, (0, 10), opening=stated())
    assert "goal: usual is that of the opening" in check.violations


@pytest.mark.parametrize(
    ("false", "violation"),
    [
        ({}, None),
        ({"mark_of_goal": 4.5}, "the mark of what fell is told"),
        ({"mark_of_goal": 4.5}, "a number is a mark or a usual level"),
        ({"standing_of_bond": "fell"}, "what fell is shown as lower than usual"),
    ],
)
def test_a_sentence_that_the_marks_contradict_is_a_violation(
    false: dict[str, object], violation: str | None
) -> None:
    for wording in WORDINGS:
        check = FactCheck()
        check.add(check_sentences(stated(**false), SESSIONS, (0, 10), wording, UTC_ZONE))
        assert check.statements > 4
        assert check.violations == [] if violation is None else violation in check.violations


def test_empty_forms_that_lead_before_a_clear_fall_are_a_violation() -> None:
    sessions = [*SESSIONS, RatedSession(WEEKS[4] + timedelta(weeks=1), {})]
    empty = {"last_at": sessions[-1].session_at, "count": 1, "of": 6}
    for lead in (False, True):
        facts = stated(empty={**empty, "lead": lead})
        check = check_facts(facts, sessions, (0, 10))
        for wording in WORDINGS:
            check.add(check_sentences(facts, sessions, (0, 10), wording, UTC_ZONE))
        wrong = ["empty forms lead where the fall is slight"]
        wrong += ["empty forms are told first, unless a clear fall is"] * len(WORDINGS)
        assert [one for one in check.violations if "empty forms" in one] == (wrong if lead else [])
