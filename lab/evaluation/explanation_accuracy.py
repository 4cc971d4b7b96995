"""A cohort and what was said of it in, how often the explanation fits the simulator's truth out."""

from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import NamedTuple

import numpy as np

from lab.evaluation.metrics import Spell, spells
from lab.product_path import JudgedCohort
from lab.simulator.cohort import Cohort
from schemas.events import Component, Movement
from services.detector.domain.episodes import EARLY_RATINGS

COMPONENTS = (Component.BOND, Component.GOAL, Component.TASK)
_AT_ONCE = 0.45
"""A fall is sudden when its first session brought so much of it: a ramp of one or two sessions, not three."""


AFTER = (0, 1, 2)
"""Looked at: the first flag, and so many rated sessions of the same rupture after it."""


class Named(NamedTuple):
    """What was said of a caught rupture."""

    after: int
    """Rated sessions since its first flag."""
    true: Movement
    named: str
    """Empty: none, which says that it is not clear."""


@dataclass(frozen=True, slots=True)
class Explained:
    """Of the ruptures that were caught."""

    moved: Counter[Named] = field(default_factory=Counter)
    """True kind of movement and the one that was named, with how often."""
    leading: Counter[tuple[int, bool]] = field(default_factory=Counter)
    """In how many components there was a fall, whether the deepest one was named at the first flag, and how
    often."""

    def of(self, true: Movement, after: int = 0) -> Counter[str]:
        """What was named where this was true, with how often."""
        return Counter({one.named: n for one, n in self.moved.items() if one[:2] == (after, true)})

    def add(self, other: "Explained") -> None:
        """Take another one's counts in."""
        self.moved.update(other.moved)
        self.leading.update(other.leading)


def explained(cohort: Cohort, judged: JudgedCohort) -> Explained:
    """Each caught rupture of the cohort: what was said at its first flag and after it, and what is true."""
    out = Explained()
    for spell, first in _caught(cohort, judged):
        found = judged.judged[spell.client].found
        for after, session in enumerate(_looked_at(cohort, spell, first)):
            place = int(np.count_nonzero(cohort.present[spell.client, :session]))
            true = true_movement(cohort, spell, session)
            out.moved[Named(after, true, found[place].movement or "")] += 1
            if after == 0 and not cohort.declined[spell.client, session]:
                fall = cohort.courses.fall[spell.client, spell.begin : session + 1].max(axis=0)
                named = found[place].leading is COMPONENTS[int(np.argmax(fall))]
                out.leading[int((fall > 0).sum()), named] += 1
    return out


def _looked_at(cohort: Cohort, spell: Spell, first: int) -> list[int]:
    rated = cohort.present[spell.client] & ~cohort.declined[spell.client]
    later = np.nonzero(rated[first + 1 : spell.end])[0] + first + 1
    return [first, *later[: AFTER[-1]].tolist()]


def _caught(cohort: Cohort, judged: JudgedCohort) -> Iterator[tuple[Spell, int]]:
    for spell in spells(cohort.rupture & cohort.present):
        flags = np.nonzero(judged.flagged[spell.client, spell.begin : spell.end])[0]
        if flags.size:
            yield spell, spell.begin + int(flags[0])


def true_movement(cohort: Cohort, spell: Spell, session: int) -> Movement:
    """What happened up to a session, as the simulator made it."""
    client = spell.client
    rated = cohort.present[client] & ~cohort.declined[client]
    if cohort.declined[client, session]:
        return Movement.DECLINED_FORMS
    if np.count_nonzero(rated[: session + 1]) < EARLY_RATINGS:
        return Movement.LOW_FROM_START
    fall = cohort.courses.fall[client, spell.begin : spell.end]
    depth = fall.mean(axis=1)
    if depth[0] < _AT_ONCE * depth.max():
        return Movement.SLOW_SLIDE
    return Movement.EVERYTHING if np.all(fall[0] > 0) else Movement.SUDDEN_FALL
