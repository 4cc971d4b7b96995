"""A cohort in, the optimal filter's risks out: from a folder where they are known; no model changes them."""

import hashlib
from dataclasses import replace
from pathlib import Path

import numpy as np

from lab.optimal_filter.particle_filter import Floats, optimal_risk
from lab.simulator.cohort import Cohort
from lab.simulator.ruptures import Courses

_FILTER = 2
"""Raise it when the filter changes: what was kept is then worked out again."""


def first_clients(cohort: Cohort, clients: int) -> Cohort:
    """A cohort of the first `clients` of its clients."""
    some = slice(0, clients)
    courses = cohort.courses
    return replace(
        cohort,
        forms=cohort.forms[some],
        marks=cohort.marks[some],
        declined=cohort.declined[some],
        present=cohort.present[some],
        courses=Courses(
            courses.fall[some], courses.under_way[some], courses.unrepaired[some], courses.bad_day[some]
        ),
        therapist=cohort.therapist[some],
    )


def kept_name(cohort: Cohort, seed: int, particles: int) -> str:
    """The file's name: another whenever anything differs that the risks depend on."""
    told = hashlib.sha256(repr((_FILTER, seed, particles, cohort.world)).encode())
    for part in (cohort.item_offsets, cohort.marks, cohort.declined, cohort.present):
        told.update(np.ascontiguousarray(part).tobytes())
    return f"optimal-{told.hexdigest()[:20]}.npy"


def kept_risk(cohort: Cohort, seed: int, particles: int, folder: Path | None) -> Floats:
    """(n, t) of `optimal_risk`; with a folder, read from it or written to it."""
    if folder is None:
        return optimal_risk(cohort, seed, particles)
    file = folder / kept_name(cohort, seed, particles)
    if file.exists():
        known: Floats = np.load(file)
        return known
    risk = optimal_risk(cohort, seed, particles)
    folder.mkdir(parents=True, exist_ok=True)
    np.save(file, risk)
    return risk
