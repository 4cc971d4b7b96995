"""Golden pages: what a therapist reads of small courses of marks, from the fold of episodes on."""

from dataclasses import dataclass, field

import pytest

from schemas.components import Component
from schemas.facts import Shape
from schemas.instruments.catalogue import Catalogue
from schemas.wording.guidance.guidance import Guidance, Subject, topic_of
from services.notifier.directory.store import PracticeOptions
from services.notifier.domain.therapist import Therapist
from services.notifier.web.item_view import ItemSurroundings, ItemView, item_view
from services.notifier.wording import Wordings
from tests.support.notifier.item_stories import KINDS, STEADY, Form
from tests.support.notifier.told_courses import item_of
from tests.support.schemas.whole_dates import whole_dates

WORDINGS = Wordings.load()
CATALOGUE = Catalogue.load()
GUIDANCE = Guidance.load()


@dataclass(frozen=True)
class GoldenPage:
    """Marks of bond, goal and task from 1 to 5, the sessions with a risk, and the sentences that follow."""

    forms: tuple[Form, ...]
    risks: dict[int, float]
    english: list[str]
    german: list[str]
    later_english: list[str] = field(default_factory=list)
    later_german: list[str] = field(default_factory=list)


PAGES = {
    "a declined form does not hide the fall before it": GoldenPage(
        (*STEADY, (3.1, 2.8, 2.9), None),
        {6: 0.3, 7: 0.7},
        [
            ("All marks came out lower at the session of 7 Oct: goals 2.8 (usually about 4.1),"
             " tasks 2.9 (usually about 4.1), bond 3.1 (usually about 4.2)."),
            "No form came on 14 Oct (1 of the last 8).",
        ],
        [
            ("In der Sitzung vom 7. Okt. lagen alle Werte niedriger als sonst: Ziele 2,8 (sonst etwa 4,1);"
             " Aufgaben 2,9 (sonst etwa 4,1); Beziehung 3,1 (sonst etwa 4,2)."),
            "Am 14. Okt. kam kein Bogen (1 der letzten 8).",
        ],
    ),
    "all marks low from the start": GoldenPage(
        ((1.0, 1.0, 1.0), (1.0, 1.0, 1.0)),
        {},
        [("All marks have been low from the first forms on; at the session of 2 Sep:"
          " bond 1.0, goals 1.0, tasks 1.0.")],
        [("Seit den ersten Bögen sind alle Werte niedrig; in der Sitzung vom 2. Sept.:"
          " Beziehung 1,0; Ziele 1,0; Aufgaben 1,0.")],
    ),
    "one component low from the start": GoldenPage(
        ((4.0, 1.4, 3.8), (4.1, 1.2, 3.9)),
        {},
        ["Goals have been low from the first forms on: 1.2 at the session of 2 Sep."],
        ["Die Ziele werden seit den ersten Bögen niedrig bewertet: in der Sitzung vom 2. Sept. 1,2."],
    ),
    "a fall that partly recovers is dated where it began": GoldenPage(
        (*STEADY, (2.0, 4.1, 4.0), (3.0, 4.1, 4.1)),
        {7: 0.6},
        [
            ("The bond has been lower since the session of 7 Oct: at the last form (14 Oct) 3.0,"
             " where about 4.2 is usual for this client."),
            "Goals and tasks stayed as usual.",
        ],
        [
            ("Die Beziehung wird seit der Sitzung vom 7. Okt. niedriger bewertet: im letzten Bogen (14. Okt.)"
             " 3,0 statt sonst etwa 4,2."),
            "Ziele und Aufgaben blieben wie sonst.",
        ],
    ),
    "one fell, one held and one rose": GoldenPage(
        ((2.5, 3.1, 4.1), (2.6, 3.0, 4.2), (2.4, 3.0, 4.0), (2.5, 3.2, 4.1), (2.6, 3.1, 4.2),
         (4.4, 3.1, 2.9)),
        {5: 0.6},
        [
            "Tasks fell at the session of 30 Sep: 2.9, where about 4.1 is usual for this client.",
            "Goals stayed as usual.",
            "Higher than usual: bond 4.4 (usually about 2.5).",
        ],
        [
            "Die Aufgaben wurden in der Sitzung vom 30. Sept. niedriger bewertet: 2,9 statt sonst etwa 4,1.",
            "Die Ziele blieben wie sonst.",
            "Höher als sonst: Beziehung 4,4 (sonst etwa 2,5).",
        ],
    ),
    "back near usual": GoldenPage(
        (*STEADY, (4.2, 2.3, 4.0), (4.1, 3.2, 4.0), (4.2, 4.0, 4.1), (4.3, 4.1, 4.2)),
        {6: 0.6, 7: 0.4},
        [
            "Goals fell at the session of 7 Oct: 2.3, where about 4.1 is usual for this client.",
            "Bond and tasks stayed as usual.",
        ],
        [
            "Die Ziele wurden in der Sitzung vom 7. Okt. niedriger bewertet: 2,3 statt sonst etwa 4,1.",
            "Beziehung und Aufgaben blieben wie sonst.",
        ],
        ["Back near usual at the session of 28 Oct: goals 4.1 (before, about 4.1)."],
        ["In der Sitzung vom 28. Okt. wieder nahe am Üblichen: Ziele 4,1 (vorher etwa 4,1)."],
    ),
    "a lasting lower level is not called back near usual": GoldenPage(
        (*STEADY, (4.2, 2.3, 4.0), (4.1, 2.9, 4.0), (4.2, 3.0, 4.1), (4.3, 3.1, 4.2), (4.3, 3.0, 4.2)),
        {6: 0.6},
        [
            "Goals fell at the session of 7 Oct: 2.3, where about 4.1 is usual for this client.",
            "Bond and tasks stayed as usual.",
        ],
        [
            "Die Ziele wurden in der Sitzung vom 7. Okt. niedriger bewertet: 2,3 statt sonst etwa 4,1.",
            "Beziehung und Aufgaben blieben wie sonst.",
        ],
        ["Settled lower: goals about 3.0 (before, about 4.1)."],
        ["Niedriger eingependelt: Ziele etwa 3,0 (vorher etwa 4,1)."],
    ),
    "a slide names the component that slides": GoldenPage(
        (*STEADY, (4.3, 3.6, 4.2), (4.5, 3.1, 4.3), (4.6, 2.6, 4.4), (4.6, 2.0, 4.4)),
        {9: 0.9},
        [
            "Goals went down over 5 forms: 4.1, 3.6, 3.1, 2.6, 2.0.",
            "Higher than usual: bond 4.6 (usually about 4.3), tasks 4.4 (usually about 4.1).",
        ],
        [
            "Die Ziele gingen über 5 Bögen zurück: 4,1; 3,6; 3,1; 2,6; 2,0.",
            "Höher als sonst: Beziehung 4,6 (sonst etwa 4,3); Aufgaben 4,4 (sonst etwa 4,1).",
        ],
    ),
    "a step is told as one, however it is flagged": GoldenPage(
        (*STEADY, (4.2, 1.6, 4.0)),
        {6: 0.9},
        [
            "Goals fell at the session of 7 Oct: 1.6, where about 4.1 is usual for this client.",
            "Bond and tasks stayed as usual.",
        ],
        [
            "Die Ziele wurden in der Sitzung vom 7. Okt. niedriger bewertet: 1,6 statt sonst etwa 4,1.",
            "Beziehung und Aufgaben blieben wie sonst.",
        ],
    ),
    "neither step nor slide: marks and no kind": GoldenPage(
        KINDS["unclear"],
        {8: 0.6},
        [
            ("Goals were lower than usual at the session of 21 Oct: 3.6, where about 4.1 is usual"
             " for this client."),
            "Bond and tasks stayed as usual.",
        ],
        [
            "Die Ziele lagen in der Sitzung vom 21. Okt. niedriger als sonst: 3,6 statt etwa 4,1.",
            "Beziehung und Aufgaben blieben wie sonst.",
        ],
    ),
    "one step down is no slide": GoldenPage(
        ((4.2, 4.0, 4.1), (4.3, 4.2, 4.0), (4.1, 4.1, 4.2), (4.2, 2.4, 4.0)),
        {3: 0.6},
        [
            "Goals fell at the session of 16 Sep: 2.4, where about 4.1 is usual for this client.",
            "Bond and tasks stayed as usual.",
        ],
        [
            "Die Ziele wurden in der Sitzung vom 16. Sept. niedriger bewertet: 2,4 statt sonst etwa 4,1.",
            "Beziehung und Aufgaben blieben wie sonst.",
        ],
    ),
    "two forms far apart make nothing usual": GoldenPage(
        ((4.2, 4.8, 4.1), (4.3, 2.2, 4.0), (2.1, 2.0, 2.0)),
        {2: 0.6},
        [
            "At the session of 9 Sep: bond 2.1, goals 2.0, tasks 2.0.",
            "Lower than in the first form: goals 2.0 (then 4.8), bond 2.1 (then 4.2), tasks 2.0 (then 4.1).",
        ],
        [
            "In der Sitzung vom 9. Sept.: Beziehung 2,1; Ziele 2,0; Aufgaben 2,0.",
            ("Niedriger als im ersten Bogen: Ziele 2,0 (damals 4,8); Beziehung 2,1 (damals 4,2);"
             " Aufgaben 2,0 (damals 4,1)."),
        ],
    ),
    "all that fell by half of the deepest are named, the deepest first": GoldenPage(
        (*STEADY, (3.9, 2.4, 3.1)),
        {6: 0.6},
        [
            ("Goals and tasks fell at the session of 7 Oct: goals 2.4 (usually about 4.1),"
             " tasks 3.1 (usually about 4.1)."),
            "A little lower as well: bond 3.9 (usually about 4.2).",
        ],
        [
            ("Ziele und Aufgaben wurden in der Sitzung vom 7. Okt. niedriger bewertet:"
             " Ziele 2,4 (sonst etwa 4,1); Aufgaben 3,1 (sonst etwa 4,1)."),
            "Etwas niedriger auch: Beziehung 3,9 (sonst etwa 4,2).",
        ],
    ),
    "empty forms alone": GoldenPage(
        (*STEADY, (4.2, 4.1, 4.2), None, None, None),
        {9: 0.6},
        [
            "No form came on 28 Oct (3 of the last 8).",
            ("The form before, 7 Oct: bond 4.2 (usually about 4.2), goals 4.1 (usually about 4.1),"
             " tasks 4.2 (usually about 4.1)."),
        ],
        [
            "Am 28. Okt. kam kein Bogen (3 der letzten 8).",
            ("Im Bogen davor (7. Okt.): Beziehung 4,2 (sonst etwa 4,2); Ziele 4,1 (sonst etwa 4,1);"
             " Aufgaben 4,2 (sonst etwa 4,1)."),
        ],
    ),
}  # fmt: skip


def page_of(name: str, locale: str = "en") -> ItemView:
    return read(PAGES[name], locale)


def read(golden: GoldenPage, locale: str) -> ItemView:
    """Return what a therapist reads of these marks."""
    item = item_of(golden.forms, golden.risks)
    around = ItemSurroundings(CATALOGUE, GUIDANCE, PracticeOptions("north"), item.told_at)
    therapist = Therapist("north", "t-1", time_zone="Europe/Vienna", locale=locale)
    return item_view(item, therapist, around, WORDINGS.of(locale))


@pytest.mark.parametrize("name", PAGES)
def test_the_page_says_what_the_marks_show(name: str) -> None:
    golden, english, german = PAGES[name], page_of(name), page_of(name, "de")
    assert english.lead == tuple(map(whole_dates, golden.english))
    assert german.lead == tuple(map(whole_dates, golden.german))
    assert english.later == tuple(map(whole_dates, golden.later_english))
    assert german.later == tuple(map(whole_dates, golden.later_german))


def test_the_table_beside_a_declined_form_shows_the_form_before_it() -> None:
    rows = page_of("a declined form does not hide the fall before it").components
    assert [(row.mark, row.named) for row in rows] == [("3.1", True), ("2.8", True), ("2.9", True)]


def test_low_from_the_start_claims_no_usual_level() -> None:
    page = page_of("all marks low from the start")
    assert {(row.usual, row.difference) for row in page.components} == {("not known", "")}
    assert "no earlier level" in page.unknown[0]


@pytest.mark.parametrize(
    ("name", "topic", "shape"),
    [
        ("a slide names the component that slides", Subject.GOAL, Shape.SLIDE),
        ("a fall that partly recovers is dated where it began", Subject.BOND, Shape.STEP),
        ("one fell, one held and one rose", Subject.TASK, Shape.STEP),
        ("empty forms alone", Subject.ALL, Shape.NO_FORM),
    ],
)
def test_what_to_ask_follows_from_component_and_shape(name: str, topic: Subject, shape: Shape) -> None:
    facts = item_of(PAGES[name].forms, PAGES[name].risks).change.facts
    assert topic_of(facts) == (topic, shape)
    assert page_of(name).guidance == GUIDANCE.entry(WORDINGS.of("en"), topic, shape)


def test_the_component_with_the_greatest_risk_does_not_lead_when_another_fell_deeper() -> None:
    name = "all that fell by half of the deepest are named, the deepest first"
    facts = item_of(PAGES[name].forms, PAGES[name].risks).change.facts
    assert facts is not None
    assert [part.component for part in facts.components] == [Component.GOAL, Component.TASK, Component.BOND]


def test_how_sure_names_simulated_practices() -> None:
    name = "a step is told as one, however it is flagged"
    assert page_of(name).sure == (
        ("Of 10 messages like this in simulated practices, about 6 were a lasting change."
         " Which this is, only the two of you can find out."),
        "Counted on 934 messages in practices that the model had not seen; between 57 and 66 of 100.",
    )  # fmt: skip


def test_a_page_without_low_marks_thanks_for_none_and_knows_what_is_usual() -> None:
    page = page_of("empty forms alone")
    assert page.thanks is None
    assert not any("no earlier level" in text for text in page.unknown)
