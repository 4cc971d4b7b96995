"""Draws the parameters of one simulated cohort from broad priors: every caseload has its own world.

Levels, spreads and depths are on the common scale 0 to 1 (marks 1 to 5: (mark - 1) / 4). The centres of the
priors are the figures of the IMPLEMENT trial (Flückiger et al. 2016) and, for ruptures, of Gumz 2012,
McLaughlin 2014, Stevens 2007 and Larsson 2018. The widths are chosen to cover any caseload.
"""

from dataclasses import dataclass, replace

import numpy as np

from lab.simulator.instruments import draw_instrument, has_lines
from schemas.instruments.instrument import Instrument


@dataclass(frozen=True, slots=True)
class RuptureParameters:
    """How often ruptures begin, what shape they have, and how often a bad day looks like one."""

    hazard: float
    """P(a rupture begins at a session | none is under way), before the first one."""
    repeat: float
    """Factor of the hazard after a first rupture."""
    shapes: tuple[float, float, float]
    """Shares of V (fall and return), slow slide, and unrepaired ruptures."""
    mix: tuple[float, float, float]
    """Shares of ruptures in one, two and three components."""
    depth: float
    """Median fall of the leading component."""
    depth_log_sd: float
    hold: float
    """Mean number of sessions at full depth, for ruptures that are repaired."""
    bad_day: float
    """P(a session is low for a reason other than a rupture)."""
    bad_day_depth: float
    """Median fall of the leading component on a bad day."""


@dataclass(frozen=True, slots=True)
class MissingParameters:
    """Declined forms, unanswered items, and drop-out."""

    declined: float
    """P(declined) at the first session."""
    declined_growth: float
    """Factor of the odds of declining, per session."""
    declined_in_rupture: float
    """Factor of the odds of declining during a rupture."""
    partial: float
    """Share of forms with unanswered items, where the instrument allows any."""
    drop_out: float
    """Hazard of stopping treatment per session."""
    drop_out_in_rupture: float
    """Factor of that hazard during a rupture that will not be repaired."""


@dataclass(frozen=True, slots=True)
class World:
    """The parameters of one cohort."""

    instrument: Instrument
    sessions: float
    """Median number of planned sessions."""
    level: float
    """Mean level at the eighth session."""
    level_sd: float
    """Standard deviation of level between clients of one therapist."""
    therapist_sd: float
    """Standard deviation of level between therapists."""
    slope: float
    """Mean rise per session up to the sixteenth."""
    slope_sd: float
    """Standard deviation of the rise between clients."""
    own_sd: float
    """Median over clients of the standard deviation of a client's session-to-session noise."""
    own_log_sd: float
    """Standard deviation between clients of the logarithm of that."""
    own_level_tilt: float
    """Fall of the same logarithm per unit of level: clients near the top vary less."""
    degrees_of_freedom: float
    """Degrees of freedom of the t-distributed noise; fewer make heavier tails."""
    autocorrelation: float
    """Autocorrelation of the noise from one session to the next."""
    common: float
    """Share of the noise's variance that all components have in common."""
    component_offsets: tuple[float, float, float]
    """Mean offsets of bond, goal and task from the level."""
    component_sd: float
    """Standard deviation between clients of a component's own offset."""
    item_noise: float
    """Standard deviation of a single mark around its component."""
    item_offset_sd: float
    """Standard deviation between the items' offsets from their components."""
    yea_sayers: float
    """Share of clients who mark nearly everything at the top (yea-sayers)."""
    straight: float
    """Share of forms with the same mark on every item (straight-lined)."""
    ruptures: RuptureParameters
    missing: MissingParameters


def _simplex(rng: np.random.Generator, weights: tuple[float, float, float]) -> tuple[float, float, float]:
    one, two, three = rng.dirichlet(weights).tolist()
    return one, two, three


def _draw_sessions(rng: np.random.Generator) -> float:
    return float(np.clip(np.exp(rng.normal(np.log(11), 0.45)), 4, 26))


def draw_ruptures(rng: np.random.Generator) -> RuptureParameters:
    """Draw a cohort's ruptures; 15 to 65 of 100 clients have one within a drawn number of sessions.

    That number is not the cohort's own number of sessions: were the two the same, short treatments would
    have a high hazard, and a model would take a short treatment for a sign of ruptures.
    """
    sessions = _draw_sessions(rng)
    share = rng.uniform(0.15, 0.65)
    return RuptureParameters(
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


def draw_missing(rng: np.random.Generator) -> MissingParameters:
    """Draw how often forms are missing: up to a quarter, and more often in a rupture."""
    return MissingParameters(
        declined=float(rng.beta(1.5, 18.0)),
        declined_growth=rng.uniform(1.0, 1.15),
        declined_in_rupture=float(np.exp(rng.uniform(0.0, 1.4))),
        partial=float(rng.beta(1.0, 9.0)),
        drop_out=rng.uniform(0.005, 0.05),
        drop_out_in_rupture=rng.uniform(1.0, 3.0),
    )


def draw_world(rng: np.random.Generator, instrument: Instrument | None = None) -> World:
    """Draw one cohort's parameters from the priors, and its instrument too unless one is given."""
    instrument = instrument or draw_instrument(rng)
    return World(
        instrument=instrument,
        sessions=_draw_sessions(rng),
        level=float(np.clip(rng.normal(0.86 if has_lines(instrument) else 0.76, 0.08), 0.5, 0.97)),
        level_sd=rng.uniform(0.08, 0.17),
        therapist_sd=rng.uniform(0.0, 0.05),
        slope=rng.normal(0.006, 0.005),
        slope_sd=rng.uniform(0.002, 0.014),
        own_sd=float(np.exp(rng.normal(np.log(0.062), 0.35))),
        own_log_sd=rng.uniform(0.15, 0.5),
        own_level_tilt=rng.uniform(0.0, 3.0),
        degrees_of_freedom=rng.uniform(3.0, 12.0),
        autocorrelation=0.6 * float(rng.beta(1.3, 2.2)),
        common=1.0 if rng.random() < 1 / 3 else rng.uniform(0.3, 1.0),
        component_offsets=(rng.normal(0.02, 0.04), rng.normal(-0.03, 0.04), rng.normal(0.01, 0.04)),
        component_sd=rng.uniform(0.02, 0.09),
        item_noise=rng.uniform(0.03, 0.16),
        item_offset_sd=rng.uniform(0.0, 0.07),
        yea_sayers=float(rng.beta(1.0, 14.0)),
        straight=float(rng.beta(1.5, 13.0)),
        ruptures=draw_ruptures(rng),
        missing=draw_missing(rng),
    )


def typical_world(instrument: Instrument, rng: np.random.Generator) -> World:
    """Return a cohort in the middle of the priors, for demonstrations and scenarios rather than training."""
    world = draw_world(rng, instrument)
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
        level=0.9 if has_lines(instrument) else 0.78,
        level_sd=0.09,
        own_sd=0.05,
        own_log_sd=0.3,
        autocorrelation=0.15,
        yea_sayers=0.05,
        ruptures=ruptures,
        missing=missing,
    )
