"""Reads the files that define instruments, and looks instruments up by id or questionnaire.

The shipped definitions are the TOML files beside this module; adding one such file adds an instrument.
"""

from collections.abc import Iterable, Iterator
from dataclasses import replace
from importlib import resources
from importlib.resources.abc import Traversable
from pathlib import Path
from typing import Self

from schemas.instruments.definition import (
    InvalidDefinition,
    MoreQuestionnaires,
    extends_another,
    read_definition,
    read_more_questionnaires,
)
from schemas.instruments.instrument import Instrument
from schemas.instruments.questionnaire_map import QuestionnaireMap
from schemas.validation_errors import InvalidInput, Violation


class UnknownInstrument(InvalidInput):
    """There is no instrument with this id; the violation lists the known ids."""

    def __init__(self, known: Iterable[str]) -> None:
        listed = ", ".join(sorted(known))
        super().__init__([Violation("instrument", "is not an instrument we know", f"one of {listed}")])


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
        more: list[tuple[Traversable, MoreQuestionnaires]] = []
        for file in _definitions(resources.files("schemas.instruments")):
            instrument = read_definition(file.name, file.read_text(encoding="utf-8"))
            instruments[instrument.id] = instrument
            files[instrument.id] = f"the shipped {file.name}"
        for file in _definitions(own) if own is not None else ():
            read = _read_own(file)
            if isinstance(read, MoreQuestionnaires):
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


def _definitions(folder: Traversable) -> list[Traversable]:
    if not folder.is_dir():
        raise InvalidDefinition(str(folder), ["is not a folder: give one that holds *.toml definitions"])
    files = [file for file in folder.iterdir() if file.name.endswith(".toml")]
    return sorted(files, key=lambda file: file.name)


def _read_own(file: Traversable) -> Instrument | MoreQuestionnaires:
    try:
        text = file.read_text(encoding="utf-8")
        if extends_another(text):
            return read_more_questionnaires(str(file), text)
        return read_definition(str(file), text)
    except (OSError, UnicodeDecodeError) as error:
        fault = f"cannot be read ({type(error).__name__}): check its rights, and save it in UTF-8"
        raise InvalidDefinition(str(file), [fault]) from None
    except InvalidDefinition as bad:
        raise InvalidDefinition(
            str(file), [*bad.faults, "correct the file or take it out of the folder"]
        ) from None


def _extended(name: str, more: MoreQuestionnaires, known: dict[str, Instrument]) -> Instrument:
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
