"""Reads what to ask, do and avoid for each component and shape, with a practice's own entries."""

import tomllib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from importlib import resources
from pathlib import Path
from typing import Annotated, Any, Self

from pydantic import BaseModel, ConfigDict, StringConstraints, ValidationError

from schemas.components import Component
from schemas.facts import Facts, Shape
from schemas.wording.message_sentences import NAMED
from schemas.wording.wording import LANGUAGES, Wording

_SEVERAL = 3

Text = Annotated[str, StringConstraints(min_length=1, max_length=400, strip_whitespace=True)]


class Subject(StrEnum):
    """What a conversation is about: one component, or all of them."""

    BOND = "bond"
    GOAL = "goal"
    TASK = "task"
    OVERALL = "overall"
    ALL = "all"


class Reading(StrEnum):
    """What may lie behind a fall; never more than a possibility."""

    MISUNDERSTANDING = "misunderstanding"
    EXPECTATION = "expectation"
    METHOD = "method"
    HURT = "hurt"
    OUTSIDE = "outside"


@dataclass(frozen=True, slots=True)
class Evidence:
    """One published or computed figure, its source, and what it does not show."""

    text: str
    source: str
    limit: str


@dataclass(frozen=True, slots=True)
class GuidanceEntry:
    """What to ask, do and avoid in one cell of the catalogue."""

    readings: Mapping[Reading, str]
    question: str
    do: str
    avoid: str
    evidence: tuple[Evidence, ...]
    own_source: str | None = None
    """Where a practice's own entry comes from; the shipped evidence is then not claimed for it."""


@dataclass(frozen=True, slots=True)
class StartCard:
    """A card for the first sessions of any course."""

    title: str
    intro: str
    points: tuple[str, ...]


class InvalidGuidance(ValueError):
    """A practice's own entries cannot be used; the message names the file and every fault in it."""

    def __init__(self, name: str, faults: Sequence[str]) -> None:
        self.faults = tuple(faults)
        super().__init__("\n".join([f"{name}:", *(f"  {fault}" for fault in faults)]))


class _OwnEntry(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")

    question: Text
    do: Text
    avoid: Text
    source: Text


_OwnShapes = dict[Shape, _OwnEntry]


class _OwnFile(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")

    practice: Text
    en: dict[Subject, _OwnShapes] = {}
    de: dict[Subject, _OwnShapes] = {}


Cell = tuple[str, Subject, Shape]
"""Language, topic and shape."""


class Guidance:
    """All entries, by language, topic and shape; a practice's own come before the shipped ones."""

    def __init__(
        self,
        entries: Mapping[Cell, GuidanceEntry],
        own: Mapping[tuple[str, Cell], GuidanceEntry],
        cards: Mapping[str, StartCard],
    ) -> None:
        self._entries = entries
        self._own = own
        self._cards = cards

    @classmethod
    def load(cls, folder: Path | None = None) -> Self:
        """Read the shipped entries, and those of practices: one TOML file each in `folder`.

        Raises:
            InvalidGuidance: the folder or a file in it cannot be used; the message says what to correct.
        """
        cells = _shipped("cells")
        texts = {language: _shipped(language) for language in LANGUAGES}
        entries = {
            (language, topic, shape): _entry(texts[language], topic, shape, cells[topic][shape])
            for language in LANGUAGES
            for topic in Subject
            for shape in Shape
        }
        cards = {
            language: StartCard(card["title"], card["intro"], tuple(card["points"]))
            for language in LANGUAGES
            for card in [texts[language]["start"]]
        }
        return cls(entries, _own_entries(folder, entries), cards)

    def entry(self, wording: Wording, topic: Subject, shape: Shape, practice: str = "") -> GuidanceEntry:
        """Return what fits a topic and a shape, in the words of this practice where it has its own."""
        cell = (wording.language, topic, shape)
        found = self._own.get((practice, cell), self._entries[cell])
        spelled = wording.spelled
        return GuidanceEntry(
            readings={one: spelled(text) for one, text in found.readings.items()},
            question=spelled(found.question),
            do=spelled(found.do),
            avoid=spelled(found.avoid),
            evidence=tuple(
                Evidence(spelled(one.text), one.source, spelled(one.limit)) for one in found.evidence
            ),
            own_source=found.own_source,
        )

    def start_card(self, wording: Wording) -> StartCard:
        """Return the card for the first sessions."""
        card = self._cards[wording.language]
        return StartCard(
            wording.spelled(card.title),
            wording.spelled(card.intro),
            tuple(wording.spelled(point) for point in card.points),
        )


def topic_of(facts: Facts | None) -> tuple[Subject, Shape]:
    """Return what a conversation should be about: the deepest fall, or all where all fell or no form came.

    No form came also where the fall before is slight, so that the empty forms are told first.

    >>> topic_of(None)
    (<Subject.ALL: 'all'>, <Shape.UNCLEAR: 'unclear'>)
    """
    if facts is None:
        return Subject.ALL, Shape.UNCLEAR
    if facts.empty is not None and facts.empty.lead:
        return Subject.ALL, Shape.NO_FORM
    marked = [one for one in facts.components if one.mark is not None]
    fell = [one.component for one in marked if one.standing in NAMED]
    if not fell or (len(fell) >= _SEVERAL and len(fell) == len(marked)):
        return Subject.ALL, facts.shape
    return Subject(Component(fell[0]).value), facts.shape


def _shipped(name: str) -> dict[str, Any]:
    return tomllib.loads((resources.files(__package__) / f"{name}.toml").read_text("utf-8"))


def _entry(texts: Mapping[str, Any], topic: Subject, shape: Shape, cell: Mapping[str, Any]) -> GuidanceEntry:
    words = texts[topic][shape]
    return GuidanceEntry(
        readings={Reading(one): texts["reading"][topic][one] for one in cell["readings"]},
        question=words["question"],
        do=words["do"],
        avoid=words["avoid"],
        evidence=tuple(Evidence(**texts["evidence"][one]) for one in cell["evidence"]),
    )


def _own_entries(
    folder: Path | None, shipped: Mapping[Cell, GuidanceEntry]
) -> dict[tuple[str, Cell], GuidanceEntry]:
    if folder is None:
        return {}
    if not folder.is_dir():
        raise InvalidGuidance(str(folder), ["is not a folder"])
    found: dict[tuple[str, Cell], GuidanceEntry] = {}
    for path in sorted(folder.glob("*.toml")):
        file = _read_own(path)
        for language, topics in (("en", file.en), ("de", file.de)):
            for topic, shapes in topics.items():
                for shape, own in shapes.items():
                    cell = (language, topic, shape)
                    if (file.practice, cell) in found:
                        fault = f"{language}.{topic}.{shape}: another file has this entry for this practice"
                        raise InvalidGuidance(path.name, [fault])
                    found[file.practice, cell] = GuidanceEntry(
                        shipped[cell].readings, own.question, own.do, own.avoid, (), own.source
                    )
    return found


def _read_own(path: Path) -> _OwnFile:
    try:
        return _OwnFile.model_validate(tomllib.loads(path.read_text("utf-8")))
    except (OSError, UnicodeDecodeError, tomllib.TOMLDecodeError) as bad:
        raise InvalidGuidance(path.name, [str(bad)]) from None
    except ValidationError as bad:
        faults = [
            f"{'.'.join(str(part) for part in one['loc'])}: {one['msg']}"
            for one in bad.errors(include_input=False, include_url=False)
        ]
        raise InvalidGuidance(path.name, faults) from None
