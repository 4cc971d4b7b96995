"""Caches the optimal filter's risks in a folder: they depend on the cohort, not on the evaluated model."""

import hashlib
from dataclasses import replace
from pathlib import Path

import numpy as np

from lab.optimal_filter.particle_filter import Floats, optimal_risk
from lab.simulator.cohort import Cohort
from lab.simulator.ruptures import LatentCourses

_FILTER_VERSION = 2
"""Increase it when the filter changes, so that cached risks are computed again."""


def first_clients(cohort: Cohort, clients: int) -> Cohort:
    """Return a cohort of the first `clients` of its clients."""
    first = slice(0, clients)
    courses = cohort.courses
    return replace(
        cohort,
        forms=cohort.forms[first],
        marks=cohort.marks[first],
        declined=cohort.declined[first],
        present=cohort.present[first],
        courses=LatentCourses(
            courses.fall[first], courses.under_way[first], courses.unrepaired[first], courses.bad_day[first]
        ),
        therapist=cohort.therapist[first],
    )


def cache_file_name(cohort: Cohort, seed: int, particles: int) -> str:
    """Return a name that differs whenever anything differs that the risks depend on."""
    digest = hashlib.sha256(repr((_FILTER_VERSION, seed, particles, cohort.world)).encode())
    for part in (cohort.item_offsets, cohort.marks, cohort.declined, cohort.present):
        digest.update(np.ascontiguousarray(part).tobytes())
    return f"optimal-{digest.hexdigest()[:20]}.npy"


def cached_risk(cohort: Cohort, seed: int, particles: int, folder: Path | None) -> Floats:
    """Return `optimal_risk` (n, t), read from the folder if it is there and else written to it.

    Without a folder nothing is cached.
    """
    if folder is None:
        return optimal_risk(cohort, seed, particles)
    file = folder / cache_file_name(cohort, seed, particles)
    if file.exists():
        cached: Floats = np.load(file)
        return cached
    risk = optimal_risk(cohort, seed, particles)
    folder.mkdir(parents=True, exist_ok=True)
    np.save(file, risk)
    return risk
