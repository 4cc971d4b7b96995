"""Counts false alarms and detected ruptures by subgroups of clients."""

from collections import Counter
from dataclasses import dataclass, field
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from lab.evaluation.metrics import rupture_spans
from lab.product_path import AssessedCohort
from lab.simulator.cohort import Cohort

Floats = NDArray[np.float64]

THIRDS = ("lowest third", "middle third", "highest third")


class Subgroup(NamedTuple):
    """A group of clients who have something in common."""

    by: str
    """The property that defines it, such as `mean level`."""
    group: str
    """Its value, such as `lowest third`."""


@dataclass(frozen=True, slots=True)
class SubgroupCounts:
    """Counts by subgroup."""

    stable: Counter[Subgroup] = field(default_factory=Counter)
    """Rated sessions without a rupture under way."""
    false: Counter[Subgroup] = field(default_factory=Counter)
    """Stable sessions that were flagged."""
    ruptures: Counter[Subgroup] = field(default_factory=Counter)
    """Ruptures with at least one rated session."""
    detected: Counter[Subgroup] = field(default_factory=Counter)
    """Ruptures that were flagged at one of their rated sessions."""

    def add(self, other: "SubgroupCounts") -> None:
        """Add the counts of `other`."""
        for own, more in (
            (self.stable, other.stable),
            (self.false, other.false),
            (self.ruptures, other.ruptures),
            (self.detected, other.detected),
        ):
            own.update(more)


def _thirds(values: Floats) -> list[str]:
    """Return, for each of n clients, the third of the cohort that its value is in."""
    low, high = np.quantile(values, (1 / 3, 2 / 3)).tolist()
    return [THIRDS[int(value > low) + int(value > high)] for value in values.tolist()]


def count_by_subgroup(cohort: Cohort, assessed: AssessedCohort) -> SubgroupCounts:
    """Count by the client's mean level, spread, number of sessions and missing forms, and by instrument."""
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
        "instrument": [str(cohort.world.instrument.id)] * present.shape[0],
    }
    rupture = cohort.rupture & present
    stable = (rated & ~rupture).sum(axis=1).tolist()
    false = (assessed.flagged & rated & ~rupture).sum(axis=1).tolist()
    counts = SubgroupCounts()
    for by, group_of in groups.items():
        for client, group in enumerate(group_of):
            counts.stable[Subgroup(by, group)] += stable[client]
            counts.false[Subgroup(by, group)] += false[client]
        for span in rupture_spans(rupture):
            sessions = slice(span.begin, span.end)
            if rated[span.client, sessions].any():
                subgroup = Subgroup(by, group_of[span.client])
                counts.ruptures[subgroup] += 1
                counts.detected[subgroup] += bool((assessed.flagged & rated)[span.client, sessions].any())
    return counts
