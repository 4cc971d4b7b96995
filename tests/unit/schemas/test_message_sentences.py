"""What facts say: the sentences of every shape, in both languages, and nothing beyond the facts."""

import re
from datetime import datetime
from zoneinfo import ZoneInfo

import pytest

from schemas.components import Component
from schemas.facts import ComponentFact, EmptyForms, Facts, Shape, Standing
from schemas.instruments.catalogue import Catalogue
from schemas.wording.message_sentences import (
    fact_sentences,
    later_sentence,
    repaired_sentences,
    settled_sentences,
)
from schemas.wording.wording import LANGUAGES
from services.notifier.wording import Wordings
from tests.support.detector.episodes import NOW, WEEK
from tests.support.schemas.whole_dates import whole_dates

WORDINGS = Wordings.load()
UTC = ZoneInfo("UTC")
SCALE = Catalogue.load().get("wai-sr")
BOND, GOAL, TASK, OVERALL = Component.BOND, Component.GOAL, Component.TASK, Component.OVERALL
FELL, HELD, ROSE, LOW = Standing.FELL, Standing.HELD, Standing.ROSE, Standing.LOW
FROM_START = Shape.LOW_FROM_START


def fact(
    component: Component, standing: Standing, mark: float | None, usual: float | None = 4.1
) -> ComponentFact:
    return ComponentFact(component=component, standing=standing, mark=mark, usual=usual)


def facts(
    *components: ComponentFact,
    shape: Shape = Shape.STEP,
    since: datetime = NOW,
    slide: tuple[float, ...] = (),
    empty: EmptyForms | None = None,
) -> Facts:
    return Facts(
        shape=shape, components=components, form_at=NOW, since=since, slide=slide, empty=empty, forms=8
    )


def said(these: Facts, language: str = "en") -> list[str]:
    return list(fact_sentences(these, WORDINGS.of(language), UTC))


HELD_TWO = (fact(BOND, HELD, 4.2), fact(TASK, HELD, 4.0))
TABLE = [
    (
        facts(fact(GOAL, FELL, 2.0), *HELD_TWO),
        [
            "Goals fell at the session of 18 Nov: 2.0, where about 4.1 is usual for this client.",
            "Bond and tasks stayed as usual.",
        ],
        [
            "Die Ziele wurden in der Sitzung vom 18. Nov. niedriger bewertet: 2,0 statt sonst etwa 4,1.",
            "Beziehung und Aufgaben blieben wie sonst.",
        ],
    ),
    (
        facts(fact(BOND, FELL, 2.0), fact(GOAL, HELD, 4.0), since=NOW - WEEK),
        [
            ("The bond has been lower since the session of 11 Nov: at the last form (18 Nov) 2.0,"
            " where about 4.1 is usual for this client."),
            "Goals stayed as usual.",
        ],
        [
            ("Die Beziehung wird seit der Sitzung vom 11. Nov. niedriger bewertet: im letzten Bogen"
            " (18. Nov.) 2,0 statt sonst etwa 4,1."),
            "Die Ziele blieben wie sonst.",
        ],
    ),
    (
        facts(fact(GOAL, FELL, 2.0), fact(BOND, FELL, 2.5, 4.0), fact(TASK, ROSE, 4.8)),
        [
            ("Goals and bond fell at the session of 18 Nov:"
            " goals 2.0 (usually about 4.1), bond 2.5 (usually about 4.0)."),
            "Higher than usual: tasks 4.8 (usually about 4.1).",
        ],
        [
            ("Ziele und Beziehung wurden in der Sitzung vom 18. Nov. niedriger bewertet:"
            " Ziele 2,0 (sonst etwa 4,1); Beziehung 2,5 (sonst etwa 4,0)."),
            "Höher als sonst: Aufgaben 4,8 (sonst etwa 4,1).",
        ],
    ),
    (
        facts(fact(GOAL, FELL, 2.0), fact(BOND, FELL, 2.2), fact(TASK, FELL, 2.4)),
        [
            ("All marks came out lower at the session of 18 Nov: goals 2.0 (usually about 4.1),"
            " bond 2.2 (usually about 4.1), tasks 2.4 (usually about 4.1).")
        ],
        [
            ("In der Sitzung vom 18. Nov. lagen alle Werte niedriger als sonst: Ziele 2,0 (sonst etwa 4,1);"
            " Beziehung 2,2 (sonst etwa 4,1); Aufgaben 2,4 (sonst etwa 4,1).")
        ],
    ),
    (
        facts(fact(GOAL, FELL, 2.0), *HELD_TWO, shape=Shape.SLIDE, slide=(3.7, 3.3, 3.0, 2.0)),
        ["Goals went down over 4 forms: 3.7, 3.3, 3.0, 2.0.", "Bond and tasks stayed as usual."],
        [
            "Die Ziele gingen über 4 Bögen zurück: 3,7; 3,3; 3,0; 2,0.",
            "Beziehung und Aufgaben blieben wie sonst.",
        ],
    ),
    (
        facts(
            fact(TASK, FELL, 2.0), fact(BOND, FELL, 2.9), shape=Shape.SLIDE, slide=(3.7, 3.3, 3.0, 2.0)
        ),
        [
            "Tasks went down over 4 forms: 3.7, 3.3, 3.0, 2.0.",
            "At the session of 18 Nov, the bond was lower too: bond 2.9 (usually about 4.1).",
        ],
        [
            "Die Aufgaben gingen über 4 Bögen zurück: 3,7; 3,3; 3,0; 2,0.",
            "In der Sitzung vom 18. Nov. lag auch die Beziehung niedriger: Beziehung 2,9 (sonst etwa 4,1).",
        ],
    ),
    (
        facts(fact(GOAL, LOW, 1.0, None), fact(BOND, Standing.UNKNOWN, 3.0, None), shape=FROM_START),
        ["Goals have been low from the first forms on: 1.0 at the session of 18 Nov."],
        ["Die Ziele werden seit den ersten Bögen niedrig bewertet: in der Sitzung vom 18. Nov. 1,0."],
    ),
    (
        facts(*(fact(one, LOW, 0.0, None) for one in (BOND, GOAL, TASK, OVERALL)), shape=FROM_START),
        [
            ("All marks have been low from the first forms on; at the session of 18 Nov:"
            " bond 0.0, goals 0.0, tasks 0.0, overall impression 0.0.")
        ],
        [
            ("Seit den ersten Bögen sind alle Werte niedrig; in der Sitzung vom 18. Nov.:"
            " Beziehung 0,0; Ziele 0,0; Aufgaben 0,0; Gesamteindruck 0,0.")
        ],
    ),
    (
        facts(fact(OVERALL, FELL, 3.0), shape=Shape.UNCLEAR),
        [
            ("The overall impression was lower than usual at the session of 18 Nov: 3.0,"
            " where about 4.1 is usual for this client.")
        ],
        ["Der Gesamteindruck lag in der Sitzung vom 18. Nov. niedriger als sonst: 3,0 statt etwa 4,1."],
    ),
    (
        facts(fact(BOND, HELD, 4.2), fact(GOAL, Standing.UNKNOWN, 4.0, None), shape=Shape.UNCLEAR),
        ["At the session of 18 Nov: bond 4.2 (usually about 4.1), goals 4.0."],
        ["In der Sitzung vom 18. Nov.: Beziehung 4,2 (sonst etwa 4,1); Ziele 4,0."],
    ),
    (
        facts(
            fact(BOND, HELD, 4.2),
            fact(GOAL, Standing.SOMEWHAT_LOWER, 3.6),
            shape=Shape.NO_FORM,
            empty=EmptyForms(last_at=NOW + WEEK, count=2, of=8),
        ),
        [
            "No form came on 25 Nov (2 of the last 8).",
            "The form before, 18 Nov: bond 4.2 (usually about 4.1), goals 3.6 (usually about 4.1).",
        ],
        [
            "Am 25. Nov. kam kein Bogen (2 der letzten 8).",
            "Im Bogen davor (18. Nov.): Beziehung 4,2 (sonst etwa 4,1); Ziele 3,6 (sonst etwa 4,1).",
        ],
    ),
    (
        facts(
            fact(GOAL, FELL, 2.0),
            fact(BOND, Standing.SOMEWHAT_LOWER, 3.6),
            empty=EmptyForms(last_at=NOW + WEEK, count=1, of=8),
        ),
        [
            "Goals fell at the session of 18 Nov: 2.0, where about 4.1 is usual for this client.",
            "A little lower as well: bond 3.6 (usually about 4.1).",
            "No form came on 25 Nov (1 of the last 8).",
        ],
        [
            "Die Ziele wurden in der Sitzung vom 18. Nov. niedriger bewertet: 2,0 statt sonst etwa 4,1.",
            "Etwas niedriger auch: Beziehung 3,6 (sonst etwa 4,1).",
            "Am 25. Nov. kam kein Bogen (1 der letzten 8).",
        ],
    ),
]  # fmt: skip


@pytest.mark.parametrize(("these", "english", "german"), TABLE)
def test_each_shape_has_its_sentences(these: Facts, english: list[str], german: list[str]) -> None:
    assert said(these) == [whole_dates(sentence) for sentence in english]
    assert said(these, "de") == [whole_dates(sentence) for sentence in german]


@pytest.mark.parametrize("language", LANGUAGES)
@pytest.mark.parametrize("these", [row[0] for row in TABLE])
def test_no_sentence_ends_in_two_dots_or_has_an_empty_place(these: Facts, language: str) -> None:
    for sentence in said(these, language):
        assert not re.search(r"\.\.|\s\s|: \.|\(\)|None|\{|\}", sentence)
        assert sentence.endswith(".")
        assert sentence[0].isupper()


def test_without_any_form_only_the_missing_ones_are_told() -> None:
    these = Facts(shape=Shape.NO_FORM, empty=EmptyForms(last_at=NOW, count=3, of=3))
    assert said(these) == [whole_dates("No form came on 18 Nov (3 of the last 3).")]


def test_a_component_without_a_mark_is_not_named() -> None:
    these = facts(fact(GOAL, FELL, 2.0), fact(BOND, Standing.UNKNOWN, None), fact(TASK, HELD, 4.0))
    assert not any("ond" in sentence for sentence in said(these))


def test_only_the_newest_three_later_sessions_are_listed() -> None:
    told = facts(fact(GOAL, FELL, 2.0), *HELD_TWO)
    later = [
        facts(fact(GOAL, FELL, 2.0 + step / 10)).model_copy(update={"form_at": NOW + WEEK * step})
        for step in range(1, 6)
    ]
    assert later_sentence(told, later, WORDINGS.of("en"), UTC) == whole_dates(
        "Since then: 9 Dec: goals 2.3; 16 Dec: goals 2.4; 23 Dec: goals 2.5."
    )
    assert later_sentence(told, [told], WORDINGS.of("en"), UTC) is None


def closing(*components: ComponentFact) -> Facts:
    return facts(*components).model_copy(update={"form_at": NOW + WEEK})


def lasting(component: Component, level: float, usual: float | None = 4.1) -> ComponentFact:
    return fact(component, FELL, level, usual).model_copy(update={"lasting": level})


BACK = "Back near usual at the session of 25 Nov"


@pytest.mark.parametrize(
    ("goal", "bond", "sentences"),
    [
        (4.0, 3.9, [f"{BACK}: goals 4.0 (before, about 4.1), bond 3.9 (before, about 4.1)."]),
        (4.0, 3.6, [f"{BACK}: goals 4.0 (before, about 4.1).",
                    "Still lower than before: bond 3.6 (before, about 4.1)."]),
        (4.9, 4.5, [f"{BACK}: bond 4.5 (before, about 4.1).",
                    "Higher than usual: goals 4.9 (usually about 4.1)."]),
        (1.9, 3.2, ["Still lower than before: goals 1.9 (before, about 4.1), bond 3.2 (before, about 4.1)."]),
    ],
)  # fmt: skip
def test_only_what_is_near_its_usual_level_is_called_back_near_it(
    goal: float, bond: float, sentences: list[str]
) -> None:
    told = facts(fact(GOAL, FELL, 2.0), fact(BOND, FELL, 2.9), fact(TASK, HELD, 4.0))
    now = closing(fact(GOAL, HELD, goal), fact(BOND, HELD, bond), fact(TASK, HELD, 4.0))
    said_now = repaired_sentences(told, now, SCALE, WORDINGS.of("en"), UTC)
    assert said_now == tuple(whole_dates(sentence) for sentence in sentences)


def test_nothing_is_called_near_without_a_scale_or_a_usual_level() -> None:
    told = facts(fact(GOAL, FELL, 2.0), fact(BOND, LOW, 1.5, None))
    now = closing(fact(GOAL, HELD, 4.0), fact(BOND, Standing.UNKNOWN, 3.0, None))
    assert repaired_sentences(told, now, None, WORDINGS.of("en"), UTC) == (
        "Still lower than before: goals 4.0 (before, about 4.1).",
        whole_dates("Higher than in the first forms at the session of 25 Nov: bond 3.0."),
    )


def test_an_episode_without_a_fall_closes_with_the_marks_alone() -> None:
    told = Facts(shape=Shape.NO_FORM, components=(fact(GOAL, HELD, 4.0),), form_at=NOW, forms=8)
    marks = (whole_dates("At the session of 25 Nov: goals 4.2 (usually about 4.1)."),)
    now = closing(fact(GOAL, HELD, 4.2))
    assert repaired_sentences(told, now, SCALE, WORDINGS.of("en"), UTC) == marks
    assert settled_sentences(told, now, WORDINGS.of("en"), UTC) == marks


def test_only_levels_below_the_usual_that_is_shown_are_called_settled_lower() -> None:
    told = facts(fact(GOAL, FELL, 2.0), fact(BOND, FELL, 2.9), fact(TASK, LOW, 1.5, None))
    now = closing(lasting(GOAL, 3.0), lasting(BOND, 4.06), lasting(TASK, 1.6, None))
    assert settled_sentences(told, now, WORDINGS.of("en"), UTC) == (
        "Settled lower: goals about 3.0 (before, about 4.1).",
        "In the last forms: tasks about 1.6.",
    )


def test_facts_of_an_older_producer_state_no_figure() -> None:
    wording = WORDINGS.of("en")
    assert repaired_sentences(None, None, SCALE, wording, UTC) == (
        "The marks are back near what is usual for this client.",
    )
    assert settled_sentences(None, None, wording, UTC) == ("The marks have settled at a lower level.",)
