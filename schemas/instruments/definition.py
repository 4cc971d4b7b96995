"""Checks the TOML text of one definition, of an instrument or of further questionnaires of one."""

import tomllib
from collections.abc import Iterable, Iterator
from typing import Annotated, Any, Literal, Self

from pydantic import BaseModel, ConfigDict, Field, Strict, StringConstraints, ValidationError, model_validator

from schemas.components import Component
from schemas.ids import InstrumentId
from schemas.instrument_kind import InstrumentKind
from schemas.instruments.instrument import Instrument
from schemas.instruments.questionnaire_map import QuestionnaireMap

MOST_STEPS = 1000

Number = Annotated[float, Strict(), Field(allow_inf_nan=False)]
ItemNumber = Annotated[int, Strict(), Field(ge=1)]
Count = Annotated[int, Strict(), Field(ge=0)]
Text = Annotated[str, StringConstraints(min_length=1, strip_whitespace=True)]


class InvalidDefinition(ValueError):
    """A definition cannot be used; the message names the file and every fault in it."""

    def __init__(self, name: str, faults: Iterable[str]) -> None:
        self.faults = tuple(faults)
        super().__init__("\n".join([f"{name}:", *(f"  {fault}" for fault in self.faults)]))


class _Missing(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")

    component: Count = 0
    total: Count


class QuestionnaireTable(BaseModel):
    """One table `[[fhir]]`: how responses to a questionnaire are read."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    questionnaire: Annotated[tuple[Text, ...], Field(min_length=1)]
    link_ids: tuple[Text, ...] = ()
    scores: dict[Literal["bond", "goal", "task"], Text] = {}
    ignored: tuple[Text, ...] = ()
    codes: dict[Text, Number] = {}
    ordinal_of_lowest: Number | None = None

    def faults(self, items: int) -> Iterator[str]:
        """Return what does not fit an instrument with this number of items."""
        if self.scores:
            if self.link_ids:
                yield "fhir has link_ids and scores: give one of them"
            if len(self.scores) < 3:
                yield "fhir.scores must name the link ids of bond, goal and task"
        elif len(self.link_ids) != items:
            yield f"fhir.link_ids must name {items} link ids, one for each item in order"
        named = [*self.link_ids, *self.scores.values(), *self.ignored]
        if len(set(named)) < len(named):
            yield "fhir names a link id more than once"

    def map(self) -> QuestionnaireMap:
        """Return how a response is read."""
        return QuestionnaireMap(
            urls=self.questionnaire,
            link_ids=self.link_ids,
            scores={str(name): link for name, link in self.scores.items()},
            ignored=frozenset(self.ignored),
            codes=dict(self.codes),
            ordinal_of_lowest=self.ordinal_of_lowest,
        )


class MoreQuestionnaires(BaseModel):
    """A file that only says how further questionnaires are read as a known instrument."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    extends: Text
    fhir: Annotated[tuple[QuestionnaireTable, ...], Field(min_length=1)]


class _Definition(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")

    id: Annotated[str, StringConstraints(pattern=r"^[a-z0-9][a-z0-9-]{0,63}$")]
    kind: InstrumentKind = InstrumentKind.ALLIANCE
    title: Text
    source: Text
    licence: Text
    items: Annotated[int, Strict(), Field(ge=1, le=100)]
    lowest: Number
    highest: Number
    step: Annotated[Number, Field(gt=0)]
    between_steps: Literal["accepted", "refused"]
    reversed: tuple[ItemNumber, ...] = ()
    components: dict[Component, Annotated[tuple[ItemNumber, ...], Field(min_length=1)]] = {}
    missing: _Missing
    cutoff: Number | None = None
    fhir: tuple[QuestionnaireTable, ...] = ()
    cutoff_source: Text | None = None
    direction: Literal["higher-is-better", "higher-is-worse"] | None = None
    risk_items: tuple[ItemNumber, ...] = ()

    @model_validator(mode="after")
    def _is_consistent(self) -> Self:
        faults = [
            *self._kind_faults(),
            *self._range_faults(),
            *self._item_faults(),
            *self._limit_faults(),
        ]
        faults += [fault for table in self.fhir for fault in table.faults(self.items)]
        if faults:
            raise ValueError("; ".join(faults))
        return self

    def _kind_faults(self) -> Iterator[str]:
        if self.kind is InstrumentKind.OUTCOME:
            if self.components:
                yield "components are those of the alliance: an instrument of the kind outcome has none"
            if self.direction is None:
                yield "direction is missing: higher-is-better or higher-is-worse"
            if self.cutoff is not None and self.cutoff_source is None:
                yield "cutoff_source is missing: say where the cutoff was published"
        elif self.direction == "higher-is-worse":
            yield f"direction: higher marks are better in an instrument of the kind {self.kind}"

    def _range_faults(self) -> Iterator[str]:
        span = self.highest - self.lowest
        if span <= 0:
            yield "highest must be greater than lowest"
        elif abs(span / self.step - round(span / self.step)) > 1e-9 or self.step > span:
            yield "step must divide the range from lowest to highest"
        elif span / self.step > MOST_STEPS:
            yield f"step is too fine: at most {MOST_STEPS} steps; between_steps may accept finer marks"
        if (
            self.cutoff is not None
            and not self.items * self.lowest < self.cutoff <= self.items * self.highest
        ):
            yield "cutoff must lie within the totals that are possible (number of items times marks)"

    def _item_faults(self) -> Iterator[str]:
        numbers = [number for component in self.components.values() for number in component]
        named = (*numbers, *self.reversed, *self.risk_items)
        beyond = sorted({number for number in named if number > self.items})
        if beyond:
            yield f"there is no item {', '.join(map(str, beyond))}: items is {self.items}"
        twice = sorted({number for number in numbers if numbers.count(number) > 1})
        if twice:
            yield f"item {', '.join(map(str, twice))} belongs to a component more than once"
        left = sorted(set(range(1, self.items + 1)) - set(numbers))
        if left and self.kind is not InstrumentKind.OUTCOME:
            yield f"item {', '.join(map(str, left))} belongs to no component"
        if len(set(self.reversed)) < len(self.reversed):
            yield "reversed names an item more than once"

    def _limit_faults(self) -> Iterator[str]:
        if self.missing.component >= max(map(len, self.components.values()), default=self.items):
            yield "missing.component must leave at least one answer in the largest component"
        if self.missing.total >= self.items:
            yield "missing.total must leave at least one answer"

    def instrument(self) -> Instrument:
        return Instrument(
            id=InstrumentId(self.id),
            title=self.title,
            items=self.items,
            lowest=self.lowest,
            highest=self.highest,
            step=self.step,
            exact=self.between_steps == "refused",
            reversed_items=frozenset(self.reversed),
            components={each: self.components[each] for each in Component if each in self.components},
            missing_component=self.missing.component,
            missing_total=self.missing.total,
            cutoff=self.cutoff,
            source=self.source,
            licence=self.licence,
            questionnaires=tuple(table.map() for table in self.fhir),
            kind=self.kind,
            higher_is_better=self.direction != "higher-is-worse",
            cutoff_source=self.cutoff_source or "",
            risk_items=self.risk_items,
        )


def read_definition(name: str, text: str) -> Instrument:
    """Return the instrument that the TOML text of a definition describes; errors name it by `name`.

    Raises:
        InvalidDefinition: the text is not TOML, or breaks a rule.
    """
    try:
        fields: dict[str, Any] = tomllib.loads(text)
        return _Definition.model_validate(fields).instrument()
    except tomllib.TOMLDecodeError as error:
        raise InvalidDefinition(name, [f"is not TOML: {error}"]) from None
    except ValidationError as error:
        raise InvalidDefinition(name, _faults(error)) from None


def extends_another(text: str) -> bool:
    """Return whether a definition only adds questionnaires to an instrument of another file."""
    try:
        return "extends" in tomllib.loads(text)
    except tomllib.TOMLDecodeError:  # `read_definition` says so
        return False


def read_more_questionnaires(name: str, text: str) -> MoreQuestionnaires:
    """Return the further questionnaires that the TOML text names.

    Raises:
        InvalidDefinition: the text breaks a rule.
    """
    try:
        return MoreQuestionnaires.model_validate(tomllib.loads(text))
    except ValidationError as error:
        raise InvalidDefinition(name, _faults(error)) from None


def _faults(error: ValidationError) -> Iterator[str]:
    for each in error.errors(include_url=False):
        place = ".".join(str(part) for part in each["loc"] if part != "[key]")
        message = each["msg"].removeprefix("Value error, ")
        yield f"{place}: {message}" if place else message
