"""Golden pages where the marks fell little: beside empty forms, and back to where the client began."""

import pytest

from schemas.facts import Shape
from schemas.wording.guidance.guidance import Subject, topic_of
from tests.support.notifier.item_stories import STEADY
from tests.support.notifier.told_courses import item_of
from tests.support.schemas.whole_dates import whole_dates
from tests.unit.notifier.test_golden_pages import GoldenPage, read

SPREAD = tuple((4.2, goal, 4.1) for goal in (3.4, 4.2, 3.3, 4.1, 3.2, 4.0))
"""Goals vary from form to form, bond and tasks do not."""
RISEN = tuple((4.2, goal, 4.1) for goal in (3.0, 3.1, 3.6, 4.0, 4.1, 4.0))

PAGES = {
    "a slight fall stands behind the empty forms after it": GoldenPage(
        (*STEADY, (4.2, 3.93, 4.1), None, None, None),
        {9: 0.6},
        [
            "No form came on 28 Oct (3 of the last 8).",
            ("The form before, 7 Oct: goals 3.9 (usually about 4.1), bond 4.2 (usually about 4.2),"
             " tasks 4.1 (usually about 4.1)."),
        ],
        [
            "Am 28. Okt. kam kein Bogen (3 der letzten 8).",
            ("Im Bogen davor (7. Okt.): Ziele 3,9 (sonst etwa 4,1); Beziehung 4,2 (sonst etwa 4,2);"
             " Aufgaben 4,1 (sonst etwa 4,1)."),
        ],
    ),
    "so does a fall within what this client usually marks": GoldenPage(
        (*SPREAD, (4.2, 3.3, 4.1), None, None, None),
        {9: 0.6},
        [
            "No form came on 28 Oct (3 of the last 8).",
            ("The form before, 7 Oct: goals 3.3 (usually about 3.7), bond 4.2 (usually about 4.2),"
             " tasks 4.1 (usually about 4.1)."),
        ],
        [
            "Am 28. Okt. kam kein Bogen (3 der letzten 8).",
            ("Im Bogen davor (7. Okt.): Ziele 3,3 (sonst etwa 3,7); Beziehung 4,2 (sonst etwa 4,2);"
             " Aufgaben 4,1 (sonst etwa 4,1)."),
        ],
    ),
    "a way back to where the client began is no slide": GoldenPage(
        (*RISEN, *((4.2, goal, 4.1) for goal in (3.7, 3.4, 3.1))),
        {8: 0.6},
        [
            ("Goals were lower than usual at the session of 21 Oct: 3.1, where about 4.0 is usual"
             " for this client."),
            "Goals are about as in the first two forms: 3.0, 3.1.",
            "Bond and tasks stayed as usual.",
        ],
        [
            "Die Ziele lagen in der Sitzung vom 21. Okt. niedriger als sonst: 3,1 statt etwa 4,0.",
            "Die Ziele liegen etwa wie in den ersten beiden Bögen: 3,0; 3,1.",
            "Beziehung und Aufgaben blieben wie sonst.",
        ],
    ),
}  # fmt: skip


@pytest.mark.parametrize("name", PAGES)
def test_the_page_says_what_the_marks_show(name: str) -> None:
    golden = PAGES[name]
    assert read(golden, "en").lead == tuple(map(whole_dates, golden.english))
    assert read(golden, "de").lead == tuple(map(whole_dates, golden.german))


@pytest.mark.parametrize("name", list(PAGES)[:2])
def test_what_to_ask_is_about_the_form_that_did_not_come(name: str) -> None:
    golden = PAGES[name]
    assert topic_of(item_of(golden.forms, golden.risks).change.facts) == (Subject.ALL, Shape.NO_FORM)
