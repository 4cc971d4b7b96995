"""Draws the parameters of one cohort of the second family of worlds, in which ruptures have no memory.

Each client is stable or in a rupture: a rupture begins with one probability per session and is repaired with
another, whatever happened before (a Markov chain of two states). A fall is there at once and gone at once
unless it slides. The first family (`lab/simulator/world.py`) gives each rupture a course of a drawn length
instead. No caseload tells which family describes it better, so a detector is trained and measured on both.

Levels, spreads and depths are on the common scale 0 to 1. The priors are wide on purpose: they were chosen so
that each covers what caseloads and instruments may look like, not after any one data set.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from lab.simulator.instruments import BOND, GOAL, TASK, catalogue_instruments, has_lines, invent_instrument
from schemas.instruments.instrument import Instrument


@dataclass(frozen=True, slots=True)
class TwoStateRuptures:
    """How ruptures begin, end and look in a two-state world."""

    onset: float
    """P(a rupture begins at a session | none is under way)."""
    first_session: int
    """The first session, counted from 0, at which a rupture may begin."""
    repair: float
    """P(a rupture is repaired at a session | it is under way and not lasting)."""
    lasting: float
    """Share of ruptures that are never repaired."""
    residue: float
    """Share of its last fall that remains for one session after a repair, which is no rupture any more."""
    shrinking: float
    """Factor of a rupture's fall from one session to the next; 1: it stays."""
    sliding: float
    """Share of ruptures that slide to their full depth."""
    slide_sessions: float
    """Mean number of sessions of a slide."""
    mix: tuple[float, float, float]
    """Shares of ruptures in one, two and three components."""
    components: tuple[float, float, float]
    """Relative frequency of bond, goal and task among the components that fall."""
    spill: float
    """Fall of the other components, as a share of the fall of those that fall."""
    depth: float
    """Median fall of the components that fall; all of them fall alike."""
    depth_log_sd: float
    bad_day: float
    """P(a session is low for a reason other than a rupture)."""
    bad_day_depth: float
    """Median fall on a bad day, alike in all components."""


@dataclass(frozen=True, slots=True)
class TwoStateMissing:
    """Declined forms and drop-out in a two-state world."""

    declined: float
    """P(declined) at a session without a rupture."""
    declined_in_rupture: float
    """Factor of that probability during a rupture."""
    drop_out: float
    """Hazard of stopping treatment per session."""
    drop_out_in_rupture: float
    """Factor of that hazard during a rupture."""
    partial: float = 0.0
    """Share of forms with unanswered items: none in this family."""


@dataclass(frozen=True, slots=True)
class TwoStateWorld:
    """The parameters of one cohort; the fields that `World` has too mean the same."""

    instrument: Instrument
    sessions: tuple[int, int]
    """Lowest and highest planned number of sessions, each equally likely."""
    level: float
    level_sd: float
    slope: float
    """Mean rise per session, over all sessions."""
    slope_sd: float
    own_sd: float
    own_log_sd: float
    degrees_of_freedom: float
    autocorrelation: float
    common: float
    component_sd: float
    item_noise: float
    straight: float
    high_markers: float
    """Share of clients who mark high whatever their alliance is."""
    high_level: float
    """Mean level of these clients; beyond 1 they rarely leave the top."""
    ruptures: TwoStateRuptures
    missing: TwoStateMissing
    therapist_sd: float = 0.0
    own_level_tilt: float = 0.0
    component_offsets: tuple[float, float, float] = (0.0, 0.0, 0.0)
    item_offset_sd: float = 0.0


def log_uniform(rng: np.random.Generator, lowest: float, highest: float) -> float:
    """Draw a number whose logarithm is uniform."""
    return float(np.exp(rng.uniform(np.log(lowest), np.log(highest))))


def _sometimes(rng: np.random.Generator, share: float, drawn: float, otherwise: float) -> float:
    """Return `drawn` in a share of cohorts, else `otherwise`."""
    return drawn if rng.random() < share else otherwise


def draw_two_state_instrument(rng: np.random.Generator) -> Instrument:
    """Draw a shipped instrument, three lines, or six items of five steps."""
    shipped = {str(instrument.id): instrument for instrument in catalogue_instruments()}
    kinds: Sequence[tuple[float, Instrument]] = (
        (0.30, shipped["srs"]),
        (0.30, shipped["wai-sr"]),
        (0.12, shipped["wai-s"]),
        (0.18, shipped["wai-9"]),
        (0.04, invent_instrument("three-lines", (BOND, GOAL, TASK), 0, 100, 1)),
        (0.06, invent_instrument("six-items", (BOND, GOAL, TASK) * 2, 1, 5, 1)),
    )
    chosen = int(rng.choice(len(kinds), p=[share for share, _ in kinds]))
    return kinds[chosen][1]


def draw_two_state_ruptures(rng: np.random.Generator) -> TwoStateRuptures:
    """Draw a cohort's ruptures."""
    kind = rng.random()
    sliding = 0.0 if kind < 0.45 else rng.uniform(0.0, 1.0) if kind < 0.7 else 1.0
    three, one = rng.uniform(0.1, 0.4), rng.uniform(0.1, 0.45)
    goal, task, bond = rng.dirichlet((8.2, 7.8, 4.0)).tolist()
    return TwoStateRuptures(
        onset=log_uniform(rng, 0.02, 0.11),
        first_session=int(rng.integers(1, 4)),
        repair=rng.uniform(0.1, 0.7),
        lasting=rng.uniform(0.05, 0.6),
        residue=_sometimes(rng, 0.3, rng.uniform(0.0, 0.5), 0.0),
        shrinking=_sometimes(rng, 0.2, rng.uniform(0.85, 1.0), 1.0),
        sliding=sliding,
        slide_sessions=rng.uniform(2.0, 6.0),
        mix=(one, 1 - one - three, three),
        components=(bond, goal, task),
        spill=_sometimes(rng, 0.7, rng.uniform(0.0, 0.45), 0.0),
        depth=log_uniform(rng, 0.10, 0.34),
        depth_log_sd=rng.uniform(0.2, 0.6),
        bad_day=_sometimes(rng, 0.5, rng.uniform(0.0, 0.09), 0.0),
        bad_day_depth=log_uniform(rng, 0.07, 0.28),
    )


def draw_two_state_world(rng: np.random.Generator, instrument: Instrument | None = None) -> TwoStateWorld:
    """Draw one cohort's parameters from the priors, and its instrument too unless one is given."""
    instrument = instrument or draw_two_state_instrument(rng)
    lines = has_lines(instrument)
    return TwoStateWorld(
        instrument=instrument,
        sessions=(int(rng.integers(3, 10)), int(rng.integers(12, 29))),
        level=rng.uniform(0.76, 0.93) if lines else rng.uniform(0.62, 0.86),
        level_sd=log_uniform(rng, 0.06, 0.18),
        slope=rng.normal(0.006, 0.004),
        slope_sd=rng.uniform(0.002, 0.015),
        own_sd=log_uniform(rng, 0.03, 0.12),
        own_log_sd=rng.uniform(0.15, 0.6),
        degrees_of_freedom=log_uniform(rng, 3.0, 30.0),
        autocorrelation=rng.uniform(0.0, 0.6),
        common=_sometimes(rng, 0.5, 1.0, rng.uniform(0.45, 1.0)),
        component_sd=log_uniform(rng, 0.025, 0.12),
        item_noise=log_uniform(rng, 0.02, 0.12) if lines else log_uniform(rng, 0.06, 0.18),
        straight=_sometimes(rng, 0.5, rng.uniform(0.0, 0.15), 0.0),
        high_markers=_sometimes(rng, 0.55, rng.uniform(0.0, 0.4), 0.0),
        high_level=rng.uniform(0.98, 1.07),
        ruptures=draw_two_state_ruptures(rng),
        missing=TwoStateMissing(
            declined=rng.uniform(0.01, 0.22),
            declined_in_rupture=rng.uniform(1.0, 2.6),
            drop_out=rng.uniform(0.02, 0.09),
            drop_out_in_rupture=rng.uniform(1.0, 3.5),
        ),
    )
