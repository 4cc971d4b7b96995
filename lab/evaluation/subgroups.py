"""A cohort and what was said of it in, who is flagged how often out, falsely and rightly."""

from collections import Counter
from dataclasses import dataclass, field
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from lab.evaluation.metrics import spells
from lab.product_path import JudgedCohort
from lab.simulator.cohort import Cohort

Floats = NDArray[np.float64]

PARTS = ("lowest third", "middle third", "highest third")


class Who(NamedTuple):
    """A group of clients, and what it is a group by."""

    by: str
    group: str


@dataclass(frozen=True, slots=True)
class Fairness:
    """Counts by group."""

    stable: Counter[Who] = field(default_factory=Counter)
    """Rated sessions without a rupture under way."""
    false: Counter[Who] = field(default_factory=Counter)
    """Those of them that were flagged."""
    ruptures: Counter[Who] = field(default_factory=Counter)
    """With at least one rated session."""
    caught: Counter[Who] = field(default_factory=Counter)
    """Those of them that were flagged while under way."""

    def add(self, other: "Fairness") -> None:
        """Take another one's counts in."""
        for own, more in (
            (self.stable, other.stable),
            (self.false, other.false),
            (self.ruptures, other.ruptures),
            (self.caught, other.caught),
        ):
            own.update(more)


def _thirds(values: Floats) -> list[str]:
    """(n,) the third of the cohort that each client's value lies in."""
    low, high = np.quantile(values, (1 / 3, 2 / 3)).tolist()
    return [PARTS[int(value > low) + int(value > high)] for value in values.tolist()]


def fairness(cohort: Cohort, judged: JudgedCohort) -> Fairness:
    """By the client's mean level, spread, number of sessions and forms not given, and by instrument."""
    present = cohort.present
    rated = present & ~cohort.declined
    count = np.maximum(rated.sum(axis=1), 1)
    level = np.where(rated, np.nan_to_num(cohort.forms[:, :, :3]).mean(axis=2), 0.0)
    mean = level.sum(axis=1) / count
    spread = np.sqrt((np.where(rated, level - mean[:, None], 0.0) ** 2).sum(axis=1) / count)
    missing = (present & cohort.declined).sum(axis=1) / np.maximum(present.sum(axis=1), 1)
    groups = {
        "mean level": _thirds(mean),
        "own spread": _thirds(spread),
        "sessions": _thirds(present.sum(axis=1).astype(np.float64)),
        "forms not given": ["none" if not share else "some" for share in missing.tolist()],
        "instrument": [cohort.world.shape.name] * present.shape[0],
    }
    rupture = cohort.rupture & present
    stable = (rated & ~rupture).sum(axis=1).tolist()
    false = (judged.flagged & rated & ~rupture).sum(axis=1).tolist()
    out = Fairness()
    for by, named in groups.items():
        for client, group in enumerate(named):
            out.stable[Who(by, group)] += stable[client]
            out.false[Who(by, group)] += false[client]
        for spell in spells(rupture):
            inside = slice(spell.begin, spell.end)
            if rated[spell.client, inside].any():
                who = Who(by, named[spell.client])
                out.ruptures[who] += 1
                out.caught[who] += bool((judged.flagged & rated)[spell.client, inside].any())
    return out


FAIRNESS_TITLES = ("clients by", "", "false of 100 stable", "ruptures caught, of 100", "ruptures")


def fairness_rows(found: Fairness) -> list[tuple[str, ...]]:
    """One row a group under `FAIRNESS_TITLES`."""
    return [
        (
            *who,
            f"{100 * found.false[who] / max(stable, 1):.1f}",
            f"{100 * found.caught[who] / max(found.ruptures[who], 1):.0f}",
            str(found.ruptures[who]),
        )
        for who, stable in sorted(found.stable.items(), key=_order)
    ]


def _order(one: tuple[Who, int]) -> tuple[str, int, str]:
    who, _ = one
    return who.by, PARTS.index(who.group) if who.group in PARTS else 0, who.group
