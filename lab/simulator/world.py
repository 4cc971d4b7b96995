"""Broad priors in, one cohort's own parameters out: every simulated caseload lives in its own world.

Levels, spreads and depths are on the common scale 0 to 1 (marks 1 to 5: (mark - 1) / 4). The centres of the
priors are the figures of the IMPLEMENT trial (Flückiger et al. 2016) and, for ruptures, Gumz 2012, McLaughlin
2014, Stevens 2007 and Larsson 2018; their widths are meant to hold any caseload.
"""

from dataclasses import dataclass, replace

import numpy as np

from lab.simulator.instruments import ItemShape, draw_shape


@dataclass(frozen=True, slots=True)
class RuptureWorld:
    """How often ruptures come, how they look, and what else looks like them."""

    hazard: float
    """P(a rupture begins at a session | none under way), before the first one."""
    repeat: float
    """The hazard is multiplied by this after a repair."""
    shapes: tuple[float, float, float]
    """Shares of V (fall and return), slow slide (with or without sudden repair), and unrepaired."""
    mix: tuple[float, float, float]
    """Shares of ruptures in one, two and three components."""
    depth: float
    """Median depth of the leading component's fall."""
    depth_log_sd: float
    hold: float
    """Mean number of sessions at full depth of a V."""
    bad_day: float
    """P(one session is low for reasons that are no rupture)."""
    bad_day_depth: float


@dataclass(frozen=True, slots=True)
class MissingWorld:
    """Forms not given, half given, and clients who stop coming."""

    declined: float
    """P(declined) at the first session."""
    declined_growth: float
    """The odds of declining are multiplied by this every session."""
    declined_in_rupture: float
    """The odds of declining are multiplied by this during a rupture."""
    partial: float
    """Share of forms with unanswered items."""
    drop_out: float
    """Hazard of stopping treatment per session."""
    drop_out_in_rupture: float


@dataclass(frozen=True, slots=True)
class World:
    """The parameters of one cohort."""

    shape: ItemShape
    sessions: float
    """Median number of sessions a client has, before drop-out."""
    level: float
    level_sd: float
    therapist_sd: float
    slope: float
    """Rise per session over the first fifteen."""
    slope_sd: float
    own_sd: float
    """Median over clients of the standard deviation of a client's session-to-session noise."""
    own_log_sd: float
    own_level_tilt: float
    """log own spread falls by this per unit of level: clients near the top vary less."""
    tail: float
    """Degrees of freedom of the noise; small is heavy-tailed."""
    autocorrelation: float
    common: float
    """Share of the noise's variance that bond, goal and task have in common."""
    component_offsets: tuple[float, float, float]
    component_sd: float
    """Standard deviation between clients of a component's own offset."""
    item_noise: float
    item_offset_sd: float
    yea_sayers: float
    """Share of clients who mark nearly everything at the top."""
    straight: float
    """Share of forms with the same mark on every item."""
    ruptures: RuptureWorld
    missing: MissingWorld


def _simplex(rng: np.random.Generator, weights: tuple[float, float, float]) -> tuple[float, float, float]:
    one, two, three = rng.dirichlet(weights).tolist()
    return one, two, three


def draw_ruptures(rng: np.random.Generator, sessions: float) -> RuptureWorld:
    """A cohort's ruptures: between 15 and 65 of 100 clients have one over `sessions` sessions."""
    share = rng.uniform(0.15, 0.65)
    return RuptureWorld(
        hazard=float(-np.log1p(-share) / max(sessions - 1, 3)),
        repeat=rng.uniform(0.5, 2.5),
        shapes=_simplex(rng, (5.0, 3.0, 2.5)),
        mix=_simplex(rng, (3.0, 5.0, 3.0)),
        depth=float(np.exp(rng.normal(np.log(0.20), 0.32))),
        depth_log_sd=rng.uniform(0.2, 0.55),
        hold=rng.uniform(1.2, 3.5),
        bad_day=float(rng.beta(1.0, 25.0)),
        bad_day_depth=float(np.exp(rng.normal(np.log(0.17), 0.35))),
    )


def draw_missing(rng: np.random.Generator) -> MissingWorld:
    """A cohort's gaps: up to a quarter of the forms declined, more often in a rupture."""
    return MissingWorld(
        declined=float(rng.beta(1.5, 18.0)),
        declined_growth=rng.uniform(1.0, 1.15),
        declined_in_rupture=float(np.exp(rng.uniform(0.0, 1.4))),
        partial=float(rng.beta(1.0, 9.0)),
        drop_out=rng.uniform(0.005, 0.05),
        drop_out_in_rupture=rng.uniform(1.0, 3.0),
    )


def draw_world(rng: np.random.Generator, shape: ItemShape | None = None) -> World:
    """One cohort's parameters from the priors; `shape` fixes its instrument."""
    shape = shape or draw_shape(rng)
    sessions = float(np.clip(np.exp(rng.normal(np.log(11), 0.45)), 4, 26))
    lines = shape.step_share < 0.05
    return World(
        shape=shape,
        sessions=sessions,
        level=float(np.clip(rng.normal(0.86 if lines else 0.76, 0.08), 0.5, 0.97)),
        level_sd=rng.uniform(0.08, 0.17),
        therapist_sd=rng.uniform(0.0, 0.05),
        slope=rng.normal(0.006, 0.005),
        slope_sd=rng.uniform(0.002, 0.014),
        own_sd=float(np.exp(rng.normal(np.log(0.062), 0.35))),
        own_log_sd=rng.uniform(0.15, 0.5),
        own_level_tilt=rng.uniform(0.0, 3.0),
        tail=rng.uniform(3.0, 12.0),
        autocorrelation=0.6 * float(rng.beta(1.3, 2.2)),
        common=rng.uniform(0.2, 0.75),
        component_offsets=(rng.normal(0.02, 0.04), rng.normal(-0.03, 0.04), rng.normal(0.01, 0.04)),
        component_sd=rng.uniform(0.02, 0.09),
        item_noise=rng.uniform(0.03, 0.16),
        item_offset_sd=rng.uniform(0.0, 0.07),
        yea_sayers=float(rng.beta(1.0, 14.0)),
        straight=float(rng.beta(1.5, 13.0)),
        ruptures=draw_ruptures(rng, sessions),
        missing=draw_missing(rng),
    )


def typical_world(shape: ItemShape, rng: np.random.Generator) -> World:
    """A caseload in the middle of the priors, for shows of the whole system rather than for training."""
    world = draw_world(rng, shape)
    ruptures = replace(
        world.ruptures,
        hazard=0.035,
        depth=0.26,
        depth_log_sd=0.3,
        hold=2.5,
        shapes=(0.5, 0.25, 0.25),
        bad_day=0.015,
    )
    missing = replace(world.missing, declined=0.06, declined_in_rupture=2.0, partial=0.05, drop_out=0.015)
    return replace(
        world,
        level=0.9 if shape.step_share < 0.05 else 0.78,
        level_sd=0.09,
        own_sd=0.05,
        own_log_sd=0.3,
        autocorrelation=0.15,
        yea_sayers=0.05,
        ruptures=ruptures,
        missing=missing,
    )
