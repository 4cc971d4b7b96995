"""Writes a page of messages to read critically: each beside the marks that it speaks of."""

from collections import defaultdict
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from itertools import islice
from pathlib import Path

import numpy as np
from jinja2 import ChoiceLoader, Environment, PackageLoader, StrictUndefined

from lab.messages.simulated_messages import CLIENTS, SimulatedMessage, messages_of
from lab.practice_histories import read_histories
from lab.product_path import AssessedDyad, assess_cohort, assess_table
from lab.simulator.cohort import simulate
from lab.simulator.two_state_cohort import simulate_two_state
from schemas.ids import InstrumentId
from schemas.instruments.catalogue import Catalogue
from schemas.instruments.instrument import Instrument
from services.detector.domain.detector import Detector
from services.detector.domain.message_precision import kinds_of
from services.detector.preview.shown_message import FoldedSession, MessageWriter, ShownMessage

MESSAGES = 40
OWN_MESSAGES = 10
_PRACTICES = 40
"""Simulated practices to choose from; with fewer, the rare kinds are missing."""
_SEED = 6011
_PACKAGES = ("lab.reports", "services.detector.preview")


@dataclass(frozen=True, slots=True)
class SheetEntry:
    """One message of the page."""

    kind: str
    source: str
    """Where it comes from, and for a simulated one whether it is right."""
    shown: ShownMessage


def simulated_messages(detector: Detector, language: str, beside: int = 0) -> list[SheetEntry]:
    """Return simulated messages of all kinds; with the number `beside` them there are `MESSAGES`."""
    by_kind: dict[str, list[SheetEntry]] = defaultdict(list)
    for number, child in enumerate(np.random.SeedSequence(_SEED).spawn(_PRACTICES)):
        family = (simulate, simulate_two_state)[number % 2]
        cohort = family(np.random.default_rng(child), CLIENTS)
        writer = MessageWriter(_always(cohort.world.instrument), detector.message_precision, language)
        for client, dyad in enumerate(assess_cohort(detector, cohort).dyads):
            rupture = cohort.rupture[client, cohort.present[client]].tolist()
            for message in _openings(dyad, rupture):
                name = f"s{number}-{client}-{message.session}"
                right = "a rupture is under way" if message.right else "no rupture is under way"
                by_kind[kinds_of(message.facts)[0]].append(
                    _entry(dyad, message, writer, name, f"simulated: {right}")
                )
    return list(islice(_in_turn(by_kind), MESSAGES - beside))


def read_messages(
    detector: Detector, ratings: Path, catalogue: Catalogue, language: str, mapping: Path | None = None
) -> list[SheetEntry]:
    """Return `OWN_MESSAGES` openings in a table of ratings, evenly over the table; all if it has fewer.

    `mapping` says how the table is read.

    Raises:
        UnreadableTable: a column is missing, or a row does not fit under the header.
    """
    dyads = assess_table(detector, read_histories(ratings, catalogue, mapping))
    writer = MessageWriter(catalogue.get, detector.message_precision, language)
    found = [
        _entry(dyad, message, writer, f"o{number}-{message.session}", "own ratings")
        for number, dyad in enumerate(dyads)
        for message in _openings(dyad, [False] * len(dyad.forms))
    ]
    places = np.unique(np.linspace(0, len(found) - 1, min(OWN_MESSAGES, len(found))).round().astype(int))
    return [found[place] for place in places.tolist()]


def render_sheet(entries: Sequence[SheetEntry], version: str) -> str:
    """Return the page as HTML."""
    environment = Environment(
        loader=ChoiceLoader([PackageLoader(package, "templates") for package in _PACKAGES]),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    return environment.get_template("message_sheet.html").render(entries=entries, version=version)


def _always(instrument: Instrument) -> Callable[[InstrumentId], Instrument]:
    # A simulated practice's instrument may be invented, and then no catalogue has it.
    return lambda _: instrument


def _openings(dyad: AssessedDyad, rupture: Sequence[bool]) -> Iterator[SimulatedMessage]:
    for message in messages_of(dyad, rupture):
        if dyad.decisions[message.session].step == "opened":
            yield message


def _entry(
    dyad: AssessedDyad, message: SimulatedMessage, writer: MessageWriter, name: str, source: str
) -> SheetEntry:
    sessions = [FoldedSession(*pair) for pair in zip(dyad.forms, dyad.decisions, strict=True)]
    shown = writer.write(sessions, message.session, name)
    return SheetEntry(kinds_of(message.facts)[0], source, shown)


def _in_turn(by_kind: dict[str, list[SheetEntry]]) -> Iterator[SheetEntry]:
    """Yield one message of every kind, then another of every kind, and so on."""
    for turn in range(max(map(len, by_kind.values()), default=0)):
        for kind in sorted(by_kind):
            yield from by_kind[kind][turn : turn + 1]
