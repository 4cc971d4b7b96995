"""Measures how often each kind of message is right, on simulated practices that no model was made with.

A practice's clients are folded as a service folds them, with the model's own threshold. A message is right
when a rupture is under way at its session. Messages are counted rather than sessions, because a therapist
reads messages: of all flagged sessions a greater share is right, as long ruptures have many of them.
"""

from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np

from lab.product_path import AssessedDyad, assess_cohort
from lab.simulator.cohort import simulate
from lab.simulator.two_state_cohort import simulate_two_state
from schemas.facts import Shape
from services.detector.contracts import StatedFacts
from services.detector.domain.detector import Detector
from services.detector.domain.form import marks_of
from services.detector.domain.message_precision import TOLD, MeasuredPrecision, kinds_of
from services.detector.published.facts import SessionMarks, find_facts

_FAMILIES = (simulate, simulate_two_state)
SEED = 6007
"""The practices are drawn from it, and nothing else."""
PRACTICES = 300
CLIENTS = 60
"""Enough that half of them have statistics, which the model may read for the other half."""
LEAST_MESSAGES = 100
"""A kind with fewer messages has no figure: its interval would be wider than .16."""
_NOT_MEASURED = frozenset({Shape.LOW_FROM_START})
"""Simulated ruptures are falls: none is under way from the first session on, whatever the marks there."""
_DRAWS = 500
_DIGITS = 4


class SimulatedMessage(NamedTuple):
    """A message that a therapist of a simulated practice would get."""

    session: int
    """Its place among the sessions of its dyad that took place."""
    facts: StatedFacts
    right: bool
    """A rupture is under way at the session."""


@dataclass(frozen=True, slots=True)
class KindCounts:
    """Messages of one practice by kind; each counts for its kind and for the wider one."""

    right: Counter[str]
    messages: Counter[str]


def measure_precision(
    detector: Detector, progress: Callable[[str], None], practices: int = PRACTICES, seed: int = SEED
) -> dict[str, MeasuredPrecision]:
    """Return the precision of every kind of which there are enough messages; the same seed gives the same.

    `progress` is called once per practice. Half of the practices are of each family of worlds.
    """
    counts = []
    for number, child in enumerate(np.random.SeedSequence(seed).spawn(practices)):
        counts.append(_count(detector, np.random.default_rng(child), number))
        progress("message precision")
    return precision_by_kind(counts)


def precision_by_kind(practices: Sequence[KindCounts]) -> dict[str, MeasuredPrecision]:
    """Return the share of right messages by kind, with a 90 % interval over draws of practices."""
    draws = np.random.default_rng(0).multinomial(
        len(practices), np.full(len(practices), 1 / len(practices)), size=_DRAWS
    )
    found = {}
    for kind in sorted({kind for practice in practices for kind in practice.messages}):
        right = np.array([practice.right[kind] for practice in practices])
        messages = np.array([practice.messages[kind] for practice in practices])
        if messages.sum() < LEAST_MESSAGES:
            continue
        drawn = draws @ messages
        shares = (draws @ right)[drawn > 0] / drawn[drawn > 0]
        low, high = np.quantile(shares, (0.05, 0.95)).tolist()
        found[kind] = MeasuredPrecision(
            right=round(float(right.sum() / messages.sum()), _DIGITS),
            low=round(low, _DIGITS),
            high=round(high, _DIGITS),
            messages=int(messages.sum()),
        )
    return found


def _count(detector: Detector, rng: np.random.Generator, number: int) -> KindCounts:
    cohort = _FAMILIES[number % len(_FAMILIES)](rng, CLIENTS)
    counts = KindCounts(Counter(), Counter())
    for client, dyad in enumerate(assess_cohort(detector, cohort).dyads):
        rupture = cohort.rupture[client, cohort.present[client]].tolist()
        for message in messages_of(dyad, rupture):
            if message.facts.shape in _NOT_MEASURED:
                continue
            for kind in set(kinds_of(message.facts)):
                counts.messages[kind] += 1
                counts.right[kind] += message.right
    return counts


def messages_of(dyad: AssessedDyad, rupture: Sequence[bool]) -> Iterator[SimulatedMessage]:
    """Yield the messages about a dyad, in order; `rupture` says of each session whether one is under way."""
    sessions = [SessionMarks(form.order.session_at, marks_of(form)) for form in dyad.forms]
    opened = 0
    for place, decision in enumerate(dyad.decisions):
        if decision.step == "opened":
            opened = place + 1
        if decision.step in TOLD:
            yield SimulatedMessage(place, find_facts(sessions[: place + 1], opened), rupture[place])
