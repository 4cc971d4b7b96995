"""Reads instruments from TOML files, checks them, and looks them up by id.

The shipped definitions are the TOML files beside this module; adding one such file adds an instrument.
"""

import tomllib
from collections.abc import Iterable, Iterator
from dataclasses import replace
from importlib import resources
from importlib.resources.abc import Traversable
from pathlib import Path
from typing import Annotated, Any, Literal, Self

from pydantic import BaseModel, ConfigDict, Field, Strict, StringConstraints, ValidationError, model_validator

from schemas.components import Component
from schemas.ids import InstrumentId
from schemas.instrument_kind import InstrumentKind
from schemas.instruments.instrument import Instrument
from schemas.instruments.questionnaire_map import QuestionnaireMap
from schemas.validation_errors import InvalidInput, Violation

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


class UnknownInstrument(InvalidInput):
    """There is no instrument with this id; the violation lists the known ids."""

    def __init__(self, known: Iterable[str]) -> None:
        listed = ", ".join(sorted(known))
        super().__init__([Violation("instrument", "is not an instrument we know", f"one of {listed}")])


class _Missing(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")

    component: Count = 0
    total: Count


class _QuestionnaireTable(BaseModel):
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
        return QuestionnaireMap(
            urls=self.questionnaire,
            link_ids=self.link_ids,
            scores={str(name): link for name, link in self.scores.items()},
            ignored=frozenset(self.ignored),
            codes=dict(self.codes),
            ordinal_of_lowest=self.ordinal_of_lowest,
        )


class _MoreQuestionnaires(BaseModel):
    """A file that only says how further questionnaires are read as a known instrument."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    extends: Text
    fhir: Annotated[tuple[_QuestionnaireTable, ...], Field(min_length=1)]


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
    fhir: tuple[_QuestionnaireTable, ...] = ()
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


class Catalogue:
    """The known instruments by id; iterates over them in the order of their ids."""

    def __init__(self, instruments: Iterable[Instrument]) -> None:
        self._by_id = {str(each.id): each for each in sorted(instruments, key=lambda each: each.id)}
        self._by_questionnaire = {
            url: (instrument, questionnaire)
            for instrument in self._by_id.values()
            for questionnaire in instrument.questionnaires
            for url in questionnaire.urls
        }

    @classmethod
    def load(cls, own: Path | None = None) -> Self:
        """Read the shipped definitions and those in the folder `own`, each a file `*.toml`.

        A file of the folder with `extends` adds questionnaires to an instrument that another file defines.

        Raises:
            InvalidDefinition: `own` is no folder, or a file in it cannot be read, breaks a rule, or defines
                an id or names a questionnaire that another file has.
        """
        files: dict[str, str] = {}
        instruments: dict[str, Instrument] = {}
        more: list[tuple[Traversable, _MoreQuestionnaires]] = []
        for file in _definitions(resources.files("schemas.instruments")):
            instrument = read_definition(file.name, file.read_text(encoding="utf-8"))
            instruments[instrument.id] = instrument
            files[instrument.id] = f"the shipped {file.name}"
        for file in _definitions(own) if own is not None else ():
            read = _read_own(file)
            if isinstance(read, _MoreQuestionnaires):
                more.append((file, read))
                continue
            if read.id in files:
                fault = f"id: {read.id} is already defined in {files[read.id]}: choose another id"
                raise InvalidDefinition(str(file), [fault])
            instruments[read.id] = read
            files[read.id] = file.name
        for file, read in more:
            instruments[read.extends] = _extended(str(file), read, instruments)
        _check_questionnaires(instruments.values())
        return cls(instruments.values())

    def get(self, instrument_id: str) -> Instrument:
        """Return the instrument with this id.

        >>> Catalogue.load().get("srs").highest_total
        40.0

        Raises:
            UnknownInstrument: there is none; the violation lists the known ids.
        """
        found = self._by_id.get(instrument_id)
        if found is None:
            raise UnknownInstrument(self._by_id)
        return found

    @property
    def of_alliance(self) -> "Catalogue":
        """The instruments whose ratings are scored."""
        return Catalogue(each for each in self if each.is_alliance)

    def by_questionnaire(self, canonical: str) -> tuple[Instrument, QuestionnaireMap]:
        """Return the instrument of a FHIR questionnaire, and how its responses are read.

        `canonical` may end in `|version`; a map that names the version goes before one for all versions.

        Raises:
            UnknownInstrument: no instrument names the questionnaire.
        """
        found = self._by_questionnaire.get(canonical) or self._by_questionnaire.get(
            canonical.partition("|")[0]
        )
        if found is None:
            raise UnknownInstrument(self._by_questionnaire)
        return found

    def item_counts(self) -> dict[str, int]:
        """Return the number of items of each instrument, by its id."""
        return {name: instrument.items for name, instrument in self._by_id.items()}

    def __iter__(self) -> Iterator[Instrument]:
        return iter(self._by_id.values())

    def __len__(self) -> int:
        return len(self._by_id)


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


def _definitions(folder: Traversable) -> list[Traversable]:
    if not folder.is_dir():
        raise InvalidDefinition(str(folder), ["is not a folder: give one that holds *.toml definitions"])
    files = [file for file in folder.iterdir() if file.name.endswith(".toml")]
    return sorted(files, key=lambda file: file.name)


def _read_own(file: Traversable) -> Instrument | _MoreQuestionnaires:
    try:
        text = file.read_text(encoding="utf-8")
        if _extends(text):
            return _read_more(str(file), text)
        return read_definition(str(file), text)
    except (OSError, UnicodeDecodeError) as error:
        fault = f"cannot be read ({type(error).__name__}): check its rights, and save it in UTF-8"
        raise InvalidDefinition(str(file), [fault]) from None
    except InvalidDefinition as bad:
        raise InvalidDefinition(
            str(file), [*bad.faults, "correct the file or take it out of the folder"]
        ) from None


def _extends(text: str) -> bool:
    try:
        return "extends" in tomllib.loads(text)
    except tomllib.TOMLDecodeError:  # `read_definition` says so
        return False


def _read_more(name: str, text: str) -> _MoreQuestionnaires:
    try:
        return _MoreQuestionnaires.model_validate(tomllib.loads(text))
    except ValidationError as error:
        raise InvalidDefinition(name, _faults(error)) from None


def _extended(name: str, more: _MoreQuestionnaires, known: dict[str, Instrument]) -> Instrument:
    instrument = known.get(more.extends)
    if instrument is None:
        fault = f"extends: there is no instrument {more.extends}: name one of {', '.join(sorted(known))}"
        raise InvalidDefinition(name, [fault])
    faults = [fault for table in more.fhir for fault in table.faults(instrument.items)]
    if faults:
        raise InvalidDefinition(name, faults)
    maps = (*instrument.questionnaires, *(table.map() for table in more.fhir))
    return replace(instrument, questionnaires=maps)


def _check_questionnaires(instruments: Iterable[Instrument]) -> None:
    named: dict[str, list[str]] = {}
    for each in instruments:
        for questionnaire in each.questionnaires:
            for url in questionnaire.urls:
                named.setdefault(url, []).append(each.id)
    faults = [
        f"fhir: {url} is named more than once ({', '.join(ids)}): a questionnaire belongs to one instrument"
        for url, ids in sorted(named.items())
        if len(ids) > 1
    ]
    if faults:
        raise InvalidDefinition("the instruments", faults)


def _faults(error: ValidationError) -> Iterator[str]:
    for each in error.errors(include_url=False):
        place = ".".join(str(part) for part in each["loc"] if part != "[key]")
        message = each["msg"].removeprefix("Value error, ")
        yield f"{place}: {message}" if place else message
