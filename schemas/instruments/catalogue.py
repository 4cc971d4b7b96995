"""Definitions in TOML in, a catalogue of instruments out; a bad definition is refused with every reason."""

import tomllib
from collections.abc import Iterable, Iterator
from importlib import resources
from importlib.resources.abc import Traversable
from pathlib import Path
from typing import Annotated, Any, Literal, Self

from pydantic import BaseModel, ConfigDict, Field, Strict, StringConstraints, ValidationError, model_validator

from schemas.events import Component
from schemas.ids import InstrumentId
from schemas.instruments.instrument import Instrument
from schemas.validation_errors import Complaint, Refused

MOST_STEPS = 1000

Number = Annotated[float, Strict(), Field(allow_inf_nan=False)]
ItemNumber = Annotated[int, Strict(), Field(ge=1)]
Count = Annotated[int, Strict(), Field(ge=0)]
Text = Annotated[str, StringConstraints(min_length=1, strip_whitespace=True)]


class BadDefinition(ValueError):
    """A definition cannot be used; the message names the file and everything that is to be corrected."""

    def __init__(self, name: str, faults: Iterable[str]) -> None:
        super().__init__("\n".join([f"{name}:", *(f"  {fault}" for fault in faults)]))


class UnknownInstrument(Refused):
    """No such instrument; the complaint lists those that are known."""

    def __init__(self, known: Iterable[str]) -> None:
        listed = ", ".join(sorted(known))
        super().__init__([Complaint("instrument", "is not an instrument we know", f"one of {listed}")])


class _Missing(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")

    component: Count
    total: Count


class _Definition(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")

    id: Annotated[str, StringConstraints(pattern=r"^[a-z0-9][a-z0-9-]{0,63}$")]
    title: Text
    source: Text
    licence: Text
    items: Annotated[int, Strict(), Field(ge=1, le=100)]
    lowest: Number
    highest: Number
    step: Annotated[Number, Field(gt=0)]
    between_steps: Literal["accepted", "refused"]
    reversed: tuple[ItemNumber, ...] = ()
    components: dict[Component, Annotated[tuple[ItemNumber, ...], Field(min_length=1)]]
    missing: _Missing
    cutoff: Number | None = None

    @model_validator(mode="after")
    def _is_consistent(self) -> Self:
        faults = [*self._range_faults(), *self._item_faults(), *self._limit_faults()]
        if faults:
            raise ValueError("; ".join(faults))
        return self

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
        beyond = sorted({number for number in (*numbers, *self.reversed) if number > self.items})
        if beyond:
            yield f"there is no item {', '.join(map(str, beyond))}: items is {self.items}"
        twice = sorted({number for number in numbers if numbers.count(number) > 1})
        if twice:
            yield f"item {', '.join(map(str, twice))} belongs to a component more than once"
        left = sorted(set(range(1, self.items + 1)) - set(numbers))
        if left:
            yield f"item {', '.join(map(str, left))} belongs to no component"
        if len(set(self.reversed)) < len(self.reversed):
            yield "reversed names an item more than once"

    def _limit_faults(self) -> Iterator[str]:
        if self.missing.component >= max(map(len, self.components.values()), default=0):
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
        )


class Catalogue:
    """The instruments that are known, by id."""

    def __init__(self, instruments: Iterable[Instrument]) -> None:
        self._by_id = {str(each.id): each for each in sorted(instruments, key=lambda each: each.id)}

    @classmethod
    def load(cls, extra: Path | None = None) -> Self:
        """The packaged definitions, and those in the folder `extra`.

        Raises:
            BadDefinition: a file cannot be used, or defines an id that is already defined.
        """
        folders: list[Traversable] = [resources.files("schemas.instruments")]
        if extra is not None:
            if not extra.is_dir():
                raise BadDefinition(str(extra), ["is not a folder: give one that holds *.toml definitions"])
            folders.append(extra)
        found: dict[str, Instrument] = {}
        for folder in folders:
            for file in sorted(folder.iterdir(), key=lambda each: each.name):
                if not file.name.endswith(".toml"):
                    continue
                instrument = read_definition(file.name, file.read_text(encoding="utf-8"))
                if instrument.id in found:
                    raise BadDefinition(file.name, [f"id: {instrument.id} is already defined"])
                found[instrument.id] = instrument
        return cls(found.values())

    def get(self, instrument_id: str) -> Instrument:
        """The instrument of that id.

        Raises:
            UnknownInstrument: lists the known ids.
        """
        found = self._by_id.get(instrument_id)
        if found is None:
            raise UnknownInstrument(self._by_id)
        return found

    def __iter__(self) -> Iterator[Instrument]:
        return iter(self._by_id.values())

    def __len__(self) -> int:
        return len(self._by_id)


def read_definition(name: str, text: str) -> Instrument:
    """The instrument that a definition describes; `name` is what a fault is reported under.

    Raises:
        BadDefinition: it is no TOML, or breaks a rule.
    """
    try:
        fields: dict[str, Any] = tomllib.loads(text)
        return _Definition.model_validate(fields).instrument()
    except tomllib.TOMLDecodeError as error:
        raise BadDefinition(name, [f"is not TOML: {error}"]) from None
    except ValidationError as error:
        raise BadDefinition(name, _faults(error)) from None


def _faults(error: ValidationError) -> Iterator[str]:
    for each in error.errors(include_url=False):
        place = ".".join(str(part) for part in each["loc"] if part != "[key]")
        message = each["msg"].removeprefix("Value error, ")
        yield f"{place}: {message}" if place else message
