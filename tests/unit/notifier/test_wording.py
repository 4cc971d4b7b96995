"""What therapists read: the same sentences in every language, filled alike, and no word that hurts."""

import re
from string import Formatter

import pytest

from schemas.components import Component
from schemas.events import Answer, Change, TalkedAbout
from schemas.facts import Shape
from schemas.wording.wording import LANGUAGES
from services.notifier.domain.inbox_item import CLOSED, OPEN
from services.notifier.wording import Wordings

WORDINGS = Wordings.load()
OTHERS = [language for language in LANGUAGES if language != "en"]


def places(text: str) -> set[str]:
    """The names of what is filled in."""
    return {name for _, name, _, _ in Formatter().parse(text) if name}


@pytest.mark.parametrize("language", OTHERS)
def test_every_language_has_the_same_sentences(language: str) -> None:
    assert set(WORDINGS.texts[language]) == set(WORDINGS.texts["en"])


@pytest.mark.parametrize("language", OTHERS)
def test_every_language_fills_in_the_same(language: str) -> None:
    other = {key: places(text) for key, text in WORDINGS.texts[language].items()}
    assert other == {key: places(text) for key, text in WORDINGS.texts["en"].items()}


@pytest.mark.parametrize("language", LANGUAGES)
def test_everything_that_can_happen_has_a_sentence(language: str) -> None:
    needed = (
        [f"state.{one.value}" for one in CLOSED | {Change.ACKNOWLEDGED}]
        + [f"history.{one.value}" for one in CLOSED | OPEN]
        + [f"history.{one}" for one in ("answered", "undone", "talked_about")]
        + [f"topic.{one.value}" for one in TalkedAbout]
        + [f"component.{one.value}" for one in Component]
        + [f"answer.{one.value}" for one in Answer if one is not Answer.UNDONE]
    )
    needed += [f"name.{number}.{one.value}" for number in ("one", "many") for one in Component]
    needed += [f"shape.{one.value}" for one in Shape]
    assert [key for key in needed if key not in WORDINGS.texts[language]] == []


@pytest.mark.parametrize(
    ("language", "words"),
    [
        ("en", r"rupture|detect|alert|alarm|warning|fail|wrong with|fault|blame|patient|must|deteriorat"),
        ("de", r"ruptur|erkannt|alarm|warnung|versag|schuld|fehler|patient|müssen|verschlechter"),
    ],
)
def test_no_sentence_accuses_alarms_or_diagnoses(language: str, words: str) -> None:
    found = {key for key, text in WORDINGS.texts[language].items() if re.search(words, text.lower())}
    assert found == set()


@pytest.mark.parametrize("language", LANGUAGES)
def test_mail_has_no_clinical_word(language: str) -> None:
    mail = " ".join(text for key, text in WORDINGS.texts[language].items() if key.startswith("mail."))
    words = r"alliance|bond|goal|rating|client|therap|mark|score|klient|bewertung|beziehung|ziel|wert"
    assert re.findall(words, mail.lower()) == []


@pytest.mark.parametrize(
    ("locale", "language"), [("de-CH", "de"), ("en-GB", "en"), ("fr", "en"), ("x!", "en")]
)
def test_an_unknown_language_reads_english(locale: str, language: str) -> None:
    assert WORDINGS.of(locale).language == language


def test_dates_and_numbers_follow_the_locale() -> None:
    assert (WORDINGS.of("de-AT").signed(-3.74), WORDINGS.of("en").number(8.61)) == (
        "\N{MINUS SIGN}3,7",
        "8.6",
    )


def test_switzerland_writes_no_sharp_s() -> None:
    assert "ausserhalb" in WORDINGS.of("de-CH")("unknown.context")
    assert "außerhalb" in WORDINGS.of("de-DE")("unknown.context")
