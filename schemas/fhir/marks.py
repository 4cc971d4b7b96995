"""Reads the answers of a response as marks of an instrument, by the map of its questionnaire."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field

from schemas.fhir.names import ORDINAL_EXTENSIONS
from schemas.fhir.resources import (
    NOT_SENT,
    Coding,
    Extension,
    Item,
    Question,
    QuestionnaireDefinition,
    ResponseAnswer,
)
from schemas.instruments.instrument import Instrument
from schemas.instruments.questionnaire_map import QuestionnaireMap
from schemas.validation_errors import Violation

_NUMBER = "valueDecimal, valueInteger, or a valueCoding with a known code"
_VALUES = tuple(name for name in ResponseAnswer.__struct_fields__ if name.startswith("value"))
_READ_VALUES = frozenset({"valueDecimal", "valueInteger", "valueCoding"})


@dataclass(frozen=True, slots=True)
class Marks:
    """The marks by link id, where each stands, and what could not be read."""

    by_link: dict[str, float] = field(default_factory=dict)
    places: dict[str, str] = field(default_factory=dict)
    violations: list[Violation] = field(default_factory=list)


def read_marks(
    items: Sequence[Item],
    instrument: Instrument,
    questionnaire: QuestionnaireMap,
    sent_along: QuestionnaireDefinition | None,
) -> Marks:
    """Read every answer; an unanswered question has no mark."""
    marks = Marks()
    known = {*questionnaire.link_ids, *questionnaire.scores.values()}
    weights = dict(_weights(sent_along.item)) if sent_along is not None else {}
    for item, place in _walk(items, "QuestionnaireResponse"):
        if item.modifierExtension or any(each.modifierExtension for each in item.answer):
            marks.violations.append(
                Violation(place, "has a modifierExtension, which Rapport does not know", "none")
            )
        given = [each for each in item.answer if _values_of(each)]
        if not given or item.linkId in questionnaire.ignored:
            continue
        if item.linkId not in known:
            expected = "only the link ids of the instrument's [[fhir]] table; name others there in `ignored`"
            marks.violations.append(Violation(place, "answers a question that is not known", expected))
        elif len(given) > 1 or item.linkId in marks.by_link:
            marks.violations.append(Violation(place, "has several answers", "one answer to each question"))
        else:
            answer = _Mark(instrument, questionnaire, weights.get(item.linkId, {}), f"{place}.answer[0]")
            mark = answer.of(given[0])
            if isinstance(mark, Violation):
                marks.violations.append(mark)
            else:
                marks.by_link[item.linkId] = mark
                marks.places[item.linkId] = place
    return marks


def _walk(items: Sequence[Item], place: str) -> Iterator[tuple[Item, str]]:
    for number, item in enumerate(items):
        here = f"{place}.item[{number}]"
        yield item, here
        yield from _walk(item.item, here)
        for position, answer in enumerate(item.answer):
            yield from _walk(answer.item, f"{here}.answer[{position}]")


def _values_of(answer: ResponseAnswer) -> list[str]:
    values = ((name, getattr(answer, name)) for name in _VALUES)
    return [name for name, value in values if value is not None and value != NOT_SENT]


@dataclass(frozen=True, slots=True)
class _Mark:
    instrument: Instrument
    questionnaire: QuestionnaireMap
    weights: Mapping[str, float]
    place: str

    def of(self, answer: ResponseAnswer) -> float | Violation:
        (name, *more) = _values_of(answer)
        if more:
            return Violation(self.place, "has more than one value", "exactly one value[x]")
        if name not in _READ_VALUES:
            what = (
                "is text, and a mark is a number"
                if name == "valueString"
                else f"is a {name}, which is no mark"
            )
            return Violation(f"{self.place}.{name}", what, _NUMBER)
        if answer.valueCoding is not None:
            return self._of_code(answer.valueCoding, answer.extension)
        return float(answer.valueDecimal if answer.valueDecimal is not None else answer.valueInteger or 0)

    def _of_code(self, coding: Coding, extensions: Sequence[Extension]) -> float | Violation:
        place = f"{self.place}.valueCoding"
        by_code = self._by_code(coding)
        ordinal = _ordinal([*coding.extension, *extensions])
        if ordinal is None:
            ordinal = self.weights.get(_name(coding))
        if ordinal is None:
            if by_code is not None:
                return by_code
            expected = "a code of the instrument's [[fhir]] table, or a coding with an ordinalValue"
            return Violation(place, "is no known code", expected)
        by_ordinal = self._by_ordinal(ordinal)
        if by_code is not None and by_ordinal in {None, by_code}:
            return by_code
        if by_ordinal is None:
            expected = "set ordinal_of_lowest in the instrument's [[fhir]] table, or give its codes there"
            return Violation(place, "has a number whose scale is not known", expected)
        if by_code is not None:
            expected = "the same mark by both; correct the instrument's [[fhir]] table"
            return Violation(place, "has a number that contradicts its code", expected)
        return by_ordinal

    def _by_code(self, coding: Coding) -> float | None:
        codes = self.questionnaire.codes
        found = codes.get(_name(coding))
        return codes.get(coding.code or "") if found is None else found

    def _by_ordinal(self, ordinal: float) -> float | None:
        lowest, highest = self.instrument.lowest, self.instrument.highest
        if self.questionnaire.ordinal_of_lowest is not None:
            return lowest + ordinal - self.questionnaire.ordinal_of_lowest
        all_weights = self.weights.values()
        fits = bool(all_weights) and min(all_weights) == lowest and max(all_weights) == highest
        return ordinal if fits else None


def _ordinal(extensions: Sequence[Extension]) -> float | None:
    for each in extensions:
        if each.url in ORDINAL_EXTENSIONS:
            return each.valueDecimal if each.valueDecimal is not None else each.valueInteger
    return None


def _name(coding: Coding) -> str:
    return f"{coding.system}|{coding.code}" if coding.system else coding.code or ""


def _weights(questions: Sequence[Question]) -> Iterator[tuple[str, dict[str, float]]]:
    for question in questions:
        weights = {
            _name(option.valueCoding): ordinal
            for option in question.answerOption
            if option.valueCoding is not None
            and (ordinal := _ordinal([*option.extension, *option.valueCoding.extension])) is not None
        }
        if weights:
            yield question.linkId, weights
        yield from _weights(question.item)
