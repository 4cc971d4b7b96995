"""What sentences say beside a fall: what came back, what rose, and what is lower than in the first form."""

from datetime import datetime
from zoneinfo import ZoneInfo

import pytest

from schemas.components import Component
from schemas.facts import ComponentFact, EmptyForms, Facts, Shape, Standing
from schemas.wording.message_sentences import fact_sentences
from services.notifier.wording import Wordings
from tests.support.detector.episodes import NOW, WEEK
from tests.support.schemas.whole_dates import whole_dates

WORDINGS = Wordings.load()
BOND, GOAL, TASK = Component.BOND, Component.GOAL, Component.TASK
FELL, HELD, ROSE, UNKNOWN = Standing.FELL, Standing.HELD, Standing.ROSE, Standing.UNKNOWN


def fact(component: Component, standing: Standing, mark: float, usual: float | None = 4.1) -> ComponentFact:
    return ComponentFact(component=component, standing=standing, mark=mark, usual=usual)


def fell_from(component: Component, mark: float, first: float) -> ComponentFact:
    return ComponentFact(component=component, standing=Standing.UNKNOWN, mark=mark, first=first)


def facts(
    *components: ComponentFact,
    shape: Shape = Shape.STEP,
    since: datetime = NOW,
    empty: EmptyForms | None = None,
) -> Facts:
    return Facts(shape=shape, components=components, form_at=NOW, since=since, empty=empty, forms=8)


TABLE = [
    (
        facts(
            fact(TASK, UNKNOWN, 3.7, None), fell_from(GOAL, 1.0, 5.0), fact(BOND, UNKNOWN, 3.3, None),
            shape=Shape.UNCLEAR,
        ),
        [
            "At the session of 18 Nov: tasks 3.7, goals 1.0, bond 3.3.",
            "Lower than in the first form: goals 1.0 (then 5.0).",
        ],
        [
            "In der Sitzung vom 18. Nov.: Aufgaben 3,7; Ziele 1,0; Beziehung 3,3.",
            "Niedriger als im ersten Bogen: Ziele 1,0 (damals 5,0).",
        ],
    ),
    (
        facts(fell_from(BOND, 3.0, 4.0), fell_from(TASK, 1.5, 4.5), shape=Shape.UNCLEAR),
        [
            "At the session of 18 Nov: bond 3.0, tasks 1.5.",
            "Lower than in the first form: tasks 1.5 (then 4.5), bond 3.0 (then 4.0).",
        ],
        [
            "In der Sitzung vom 18. Nov.: Beziehung 3,0; Aufgaben 1,5.",
            "Niedriger als im ersten Bogen: Aufgaben 1,5 (damals 4,5); Beziehung 3,0 (damals 4,0).",
        ],
    ),
    (
        facts(
            fact(BOND, FELL, 2.0), fact(GOAL, HELD, 4.0).model_copy(update={"back": True}),
            fact(TASK, HELD, 4.0), since=NOW - WEEK,
        ),
        [
            ("The bond has been lower since the session of 11 Nov: at the last form (18 Nov) 2.0,"
            " where about 4.1 is usual for this client."),
            "Tasks stayed as usual.",
            "Goals are near usual again.",
        ],
        [
            ("Die Beziehung wird seit der Sitzung vom 11. Nov. niedriger bewertet: im letzten Bogen"
            " (18. Nov.) 2,0 statt sonst etwa 4,1."),
            "Die Aufgaben blieben wie sonst.",
            "Die Ziele sind wieder nahe am Üblichen.",
        ],
    ),
    (
        facts(
            fact(BOND, ROSE, 4.9), fact(GOAL, HELD, 4.0), shape=Shape.NO_FORM,
            empty=EmptyForms(last_at=NOW + WEEK, count=2, of=8),
        ),
        [
            "No form came on 25 Nov (2 of the last 8).",
            "The form before, 18 Nov: bond 4.9 (usually about 4.1), goals 4.0 (usually about 4.1).",
        ],
        [
            "Am 25. Nov. kam kein Bogen (2 der letzten 8).",
            "Im Bogen davor (18. Nov.): Beziehung 4,9 (sonst etwa 4,1); Ziele 4,0 (sonst etwa 4,1).",
        ],
    ),
    (
        facts(
            fell_from(GOAL, 2.0, 4.8), fact(BOND, UNKNOWN, 4.3, None), shape=Shape.NO_FORM,
            empty=EmptyForms(last_at=NOW + WEEK, count=1, of=3),
        ),
        [
            "At the session of 18 Nov: goals 2.0, bond 4.3.",
            "Lower than in the first form: goals 2.0 (then 4.8).",
            "No form came on 25 Nov (1 of the last 3).",
        ],
        [
            "In der Sitzung vom 18. Nov.: Ziele 2,0; Beziehung 4,3.",
            "Niedriger als im ersten Bogen: Ziele 2,0 (damals 4,8).",
            "Am 25. Nov. kam kein Bogen (1 der letzten 3).",
        ],
    ),
    (
        facts(
            fact(GOAL, FELL, 3.9), fact(BOND, HELD, 4.0),
            empty=EmptyForms(last_at=NOW + WEEK, count=3, of=8, lead=True),
        ),
        [
            "No form came on 25 Nov (3 of the last 8).",
            "The form before, 18 Nov: goals 3.9 (usually about 4.1), bond 4.0 (usually about 4.1).",
        ],
        [
            "Am 25. Nov. kam kein Bogen (3 der letzten 8).",
            "Im Bogen davor (18. Nov.): Ziele 3,9 (sonst etwa 4,1); Beziehung 4,0 (sonst etwa 4,1).",
        ],
    ),
    (
        facts(fact(BOND, FELL, 3.0), shape=Shape.UNCLEAR).model_copy(update={"began": (3.0, 3.1)}),
        [
            ("The bond was lower than usual at the session of 18 Nov: 3.0,"
            " where about 4.1 is usual for this client."),
            "The bond is about as in the first two forms: 3.0, 3.1.",
        ],
        [
            "Die Beziehung lag in der Sitzung vom 18. Nov. niedriger als sonst: 3,0 statt etwa 4,1.",
            "Die Beziehung liegt etwa wie in den ersten beiden Bögen: 3,0; 3,1.",
        ],
    ),
    (
        facts(fact(BOND, FELL, 40.4, 80.5)).model_copy(update={"decimals": 0}),
        ["The bond fell at the session of 18 Nov: 40, where about 80 is usual for this client."],
        ["Die Beziehung wurde in der Sitzung vom 18. Nov. niedriger bewertet: 40 statt sonst etwa 80."],
    ),
]  # fmt: skip


@pytest.mark.parametrize(("these", "english", "german"), TABLE)
def test_what_is_beside_a_fall_has_its_sentence(these: Facts, english: list[str], german: list[str]) -> None:
    for language, expected in (("en", english), ("de", german)):
        said = fact_sentences(these, WORDINGS.of(language), ZoneInfo("UTC"))
        assert list(said) == [whole_dates(sentence) for sentence in expected]
