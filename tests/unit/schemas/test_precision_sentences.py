"""How sure a message is: the number that is stated, where it was counted, and on how many messages."""

import re

import pytest
from babel import Locale

from schemas.message_precision import MessagePrecision, PrecisionSource
from schemas.wording.message_sentences import precision_basis, precision_sentence, right_of_ten
from schemas.wording.wording import LANGUAGES, Wording, shared_sentences


def precision(right: float, source: PrecisionSource = PrecisionSource.SIMULATED) -> MessagePrecision:
    return MessagePrecision(right=right, low=0.4512, high=0.6149, messages=312, source=source)


def wording(language: str) -> Wording:
    return Wording(language, Locale(language), shared_sentences(language))


@pytest.mark.parametrize("language", LANGUAGES)
@pytest.mark.parametrize("source", PrecisionSource)
@pytest.mark.parametrize("hundredths", range(101))
def test_what_is_stated_is_within_a_tenth_of_what_was_measured(
    language: str, source: PrecisionSource, hundredths: int
) -> None:
    measured = precision(hundredths / 100, source)
    stated = re.findall(r"(?:about|etwa) (\d)", precision_sentence(measured, wording(language)))
    assert len(stated) == (right_of_ten(measured) > 0)
    assert abs(int(stated[0] if stated else 0) / 10 - measured.right) <= 0.1 + 1e-9


def test_the_sentence_names_simulated_practices_and_leaves_the_judgement_to_the_two() -> None:
    assert precision_sentence(precision(0.58), wording("en")) == (
        "Of 10 messages like this in simulated practices, about 6 were a lasting change."
        " Which this is, only the two of you can find out."
    )


def test_a_practices_answers_are_stated_as_what_they_are() -> None:
    own = precision(0.58, PrecisionSource.PRACTICE)
    assert precision_sentence(own, wording("en")) == (
        "Of 10 messages like this that were answered in your practice, about 6 were talked about with the"
        " client; the others did not apply. Which this is, only the two of you can find out."
    )


@pytest.mark.parametrize(("source", "counted"), [("simulated", "messages"), ("practice", "answers")])
def test_the_figures_basis_has_its_count_and_interval(source: str, counted: str) -> None:
    basis = precision_basis(precision(0.5, PrecisionSource(source)), wording("en"))
    assert f"312 {counted}" in basis
    assert "between 45 and 61 of 100" in basis


def test_hardly_any_is_said_without_a_number() -> None:
    assert "hardly any" in precision_sentence(precision(0.04), wording("en"))
    assert "kaum" in precision_sentence(precision(0.04), wording("de"))
