"""Defines the scenarios a model is evaluated on: cohorts that differ from the training in one stated way."""

from collections.abc import Callable
from dataclasses import replace

import numpy as np

from lab.simulator.instruments import BOND, GOAL, OVERALL, TASK, has_lines, invent_instrument
from lab.simulator.world import World, typical_world
from schemas.instruments.instrument import Instrument
from services.detector.domain.baseline_rules import SRS_CUTOFF

Scenario = Callable[[np.random.Generator], World]
"""Draws the parameters of one cohort of the scenario."""

COMMON = 0.69
"""Share of the session noise that components have in common, in real ratings without their item noise."""

# Instruments with lines have the cutoff of the SRS. The first two are never drawn for training.
_FIVE_LINES = invent_instrument(
    "five-lines", (BOND, BOND, GOAL, TASK, OVERALL), 0, 100, 0.5, cutoff=500 * SRS_CUTOFF
)
_NINE_STEPS = invent_instrument("nine-steps", (BOND, GOAL, TASK) * 5, 1, 9, 1)
_TWELVE = invent_instrument("twelve", (TASK, TASK, BOND, GOAL) * 3, 1, 5, 1)
_FOUR_LINES = invent_instrument("four-lines", (BOND, GOAL, TASK, OVERALL), 0, 10, 0.1, cutoff=40 * SRS_CUTOFF)


def _as_published(instrument: Instrument, rng: np.random.Generator) -> World:
    """Return a world near the published figures."""
    world = typical_world(instrument, rng)
    ruptures = replace(
        world.ruptures,
        hazard=rng.uniform(0.025, 0.045),
        depth=rng.uniform(0.17, 0.24),
        depth_log_sd=0.4,
        hold=rng.uniform(1.5, 3.0),
        bad_day=0.03,
    )
    missing = replace(world.missing, declined=0.09, declined_growth=1.04)
    return replace(
        world,
        level=0.86 if has_lines(instrument) else 0.745,
        level_sd=0.12,
        own_sd=rng.uniform(0.05, 0.07),
        own_log_sd=0.37,
        own_level_tilt=1.5,
        degrees_of_freedom=5.0,
        autocorrelation=rng.uniform(0.1, 0.25),
        common=COMMON,
        sessions=12.0,
        ruptures=ruptures,
        missing=missing,
    )


def _boxes(rng: np.random.Generator) -> World:
    return _as_published(_TWELVE, rng)


def _lines(rng: np.random.Generator) -> World:
    return _as_published(_FOUR_LINES, rng)


def _other_instrument(rng: np.random.Generator) -> World:
    return _as_published(_FIVE_LINES if rng.random() < 0.5 else _NINE_STEPS, rng)


def _ceiling(rng: np.random.Generator) -> World:
    return replace(_as_published(_FOUR_LINES, rng), level=0.95, level_sd=0.1, yea_sayers=0.15, straight=0.2)


def _noisy(rng: np.random.Generator) -> World:
    return replace(
        _as_published(_TWELVE, rng), own_sd=0.1, own_log_sd=0.5, degrees_of_freedom=3.5, item_noise=0.16
    )


def _sticky(rng: np.random.Generator) -> World:
    return replace(_as_published(_TWELVE, rng), autocorrelation=0.55)


def _slow(rng: np.random.Generator) -> World:
    world = _as_published(_TWELVE, rng)
    return replace(world, ruptures=replace(world.ruptures, shapes=(0.1, 0.8, 0.1)))


def _short_lived(rng: np.random.Generator) -> World:
    world = _as_published(_FOUR_LINES, rng)
    return replace(world, ruptures=replace(world.ruptures, shapes=(0.95, 0.05, 0.0), hold=1.3, repeat=3.0))


def _single_component(rng: np.random.Generator) -> World:
    world = _as_published(_TWELVE, rng)
    return replace(world, ruptures=replace(world.ruptures, mix=(1.0, 0.0, 0.0), depth=0.32))


def _missing(rng: np.random.Generator) -> World:
    world = _as_published(_TWELVE, rng)
    missing = replace(world.missing, declined=0.25, declined_in_rupture=2.5, partial=0.3, drop_out=0.05)
    return replace(world, missing=missing)


def _bad_days(rng: np.random.Generator) -> World:
    world = _as_published(_FOUR_LINES, rng)
    return replace(world, ruptures=replace(world.ruptures, bad_day=0.09, bad_day_depth=0.22))


def _short_treatments(rng: np.random.Generator) -> World:
    return replace(_as_published(_FOUR_LINES, rng), sessions=5.0)


SCENARIOS: dict[str, Scenario] = {
    "as published, 12 items": _boxes,
    "as published, 4 lines": _lines,
    "another instrument": _other_instrument,
    "strong ceiling": _ceiling,
    "noisy": _noisy,
    "sticky noise": _sticky,
    "slow slides": _slow,
    "short-lived, repeated": _short_lived,
    "one component only": _single_component,
    "many missing": _missing,
    "many bad days": _bad_days,
    "short treatments": _short_treatments,
}
