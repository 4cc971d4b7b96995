"""Defines the simulated yardsticks: the kinds of practices, and held-out worlds of both families."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass

import numpy as np

from lab.evaluation.course_group import CourseGroup, group_of
from lab.simulator.cohort import Cohort, simulate
from lab.simulator.scenarios import SCENARIOS
from lab.simulator.two_state_cohort import simulate_two_state

WORLDS = 100
WORLD_CLIENTS = 80
KIND_CLIENTS = 400
KIND_SEEDS = 3
_HELD_OUT = 202_607
"""First part of the seeds of held-out worlds; training and calibration draw theirs from other seeds."""

Simulation = Callable[[np.random.Generator, int], Cohort]


@dataclass(frozen=True, slots=True)
class Yardstick:
    """Many practices with known ruptures that detectors are measured on."""

    name: str
    practices: int
    groups: Callable[[], Iterator[CourseGroup]]
    """Yields the practices, the same ones at every call, one at a time because all of them are large."""
    one_practice: bool = False
    """The groups are parts of one practice, whose own threshold is chosen and measured on all of them."""


def kinds(clients: int = KIND_CLIENTS, seeds: int = KIND_SEEDS) -> Yardstick:
    """Return the scenarios of `rapport evaluate`, each with this many cohorts."""

    def groups() -> Iterator[CourseGroup]:
        for name, scenario in SCENARIOS.items():
            for seed in range(seeds):
                rng = np.random.default_rng([seed, *name.encode()])
                yield group_of(simulate(rng, clients, scenario(rng)), name)

    return Yardstick("kinds", len(SCENARIOS) * seeds, groups)


def first_family(worlds: int = WORLDS, clients: int = WORLD_CLIENTS) -> Yardstick:
    """Return held-out worlds of the family in which a rupture has a course."""
    return _held_out("first family, held out", 1, simulate, worlds, clients)


def second_family(worlds: int = WORLDS, clients: int = WORLD_CLIENTS) -> Yardstick:
    """Return held-out worlds of the family in which ruptures have no memory."""
    return _held_out("second family, held out", 2, simulate_two_state, worlds, clients)


def simulated_yardsticks(
    *, worlds: int = WORLDS, clients: int = KIND_CLIENTS, seeds: int = KIND_SEEDS
) -> list[Yardstick]:
    """Return the three simulated yardsticks; `clients` and `seeds` are those of the kinds."""
    return [kinds(clients, seeds), first_family(worlds), second_family(worlds)]


def _held_out(name: str, family: int, simulation: Simulation, worlds: int, clients: int) -> Yardstick:
    def groups() -> Iterator[CourseGroup]:
        for world in range(worlds):
            cohort = simulation(np.random.default_rng([_HELD_OUT, family, world]), clients)
            yield group_of(cohort, f"world {world}: {cohort.world.instrument.id}")

    return Yardstick(name, worlds, groups)
