"""Reads instruments from TOML files, checks them, and looks them up by id.

The shipped definitions are the TOML files beside this module; adding one such file adds an instrument.
"""

import tomllib
from collections.abc import Iterable, Iterator
from importlib import resources
from importlib.resources.abc import Traversable
from pathlib import Path
from typing import Annotated, Any, Literal, Self

from pydantic import BaseModel, ConfigDict, Field, Strict, StringConstraints, ValidationError, model_validator

from schemas.components import Component
from schemas.ids import InstrumentId
from schemas.instruments.instrument import Instrument
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
    """The known instruments by id; iterates over them in the order of their ids."""

    def __init__(self, instruments: Iterable[Instrument]) -> None:
        self._by_id = {str(each.id): each for each in sorted(instruments, key=lambda each: each.id)}

    @classmethod
    def load(cls, own: Path | None = None) -> Self:
        """Read the shipped definitions and those in the folder `own`, each a file `*.toml`.

        Raises:
            InvalidDefinition: `own` is no folder, or a file in it cannot be read, breaks a rule, or defines
                an id that another file defines.
        """
        files: dict[InstrumentId, str] = {}
        instruments = []
        for file in _definitions(resources.files("schemas.instruments")):
            instruments.append(read_definition(file.name, file.read_text(encoding="utf-8")))
            files[instruments[-1].id] = f"the shipped {file.name}"
        for file in _definitions(own) if own is not None else ():
            instrument = _read_own(file)
            if instrument.id in files:
                fault = f"id: {instrument.id} is already defined in {files[instrument.id]}: choose another id"
                raise InvalidDefinition(str(file), [fault])
            instruments.append(instrument)
            files[instrument.id] = file.name
        return cls(instruments)

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


def _read_own(file: Traversable) -> Instrument:
    try:
        return read_definition(str(file), file.read_text(encoding="utf-8"))
    except (OSError, UnicodeDecodeError) as error:
        fault = f"cannot be read ({type(error).__name__}): check its rights, and save it in UTF-8"
        raise InvalidDefinition(str(file), [fault]) from None
    except InvalidDefinition as bad:
        raise InvalidDefinition(
            str(file), [*bad.faults, "correct the file or take it out of the folder"]
        ) from None


def _faults(error: ValidationError) -> Iterator[str]:
    for each in error.errors(include_url=False):
        place = ".".join(str(part) for part in each["loc"] if part != "[key]")
        message = each["msg"].removeprefix("Value error, ")
        yield f"{place}: {message}" if place else message
