"""Draws the item marks that clients give for the alliance they feel, and scores the forms of a cohort."""

import numpy as np
from numpy.typing import NDArray

from lab.simulator.instruments import item_components
from lab.simulator.two_state_world import TwoStateWorld
from lab.simulator.world import World
from schemas.instruments.instrument import Instrument
from services.detector.domain.form import FORM_COLUMNS

Floats = NDArray[np.float64]
Bools = NDArray[np.bool_]

YEA_SAYER_LIFT = 0.3
"""How much higher yea-sayers mark than they feel, on the scale 0 to 1."""
YEA_SAYER_NOISE = 0.3
"""Standard deviation of yea-sayers' item noise, as a share of the others'."""
_SHORT, _LONG = 4, 8
"""A form with unanswered items lacks one item from 4 items on, and up to two from 8 on."""


def draw_item_offsets(rng: np.random.Generator, world: World | TwoStateWorld) -> Floats:
    """Return (items,) how much higher than its component everybody in this cohort marks each item."""
    return world.item_offset_sd * rng.standard_normal(world.instrument.items)


def draw_marks(
    rng: np.random.Generator,
    world: World | TwoStateWorld,
    latent: Floats,
    yea_sayer: Bools,
    item_offsets: Floats,
) -> Floats:
    """Draw the marks of all forms, on the instrument's steps.

    Args:
        rng: the source of chance.
        world: the cohort's parameters.
        latent: (n, t, 4) bond, goal, task and overall as felt, on the scale 0 to 1.
        yea_sayer: (n,) clients who mark everything high.
        item_offsets: (items,) of `draw_item_offsets`.

    Returns:
        (n, t, items) on the scale 0 to 1 with 1 the best mark (after reversal); NaN where unanswered.
    """
    n, sessions, _ = latent.shape
    components = np.array(item_components(world.instrument))
    items = components.size
    noise = world.item_noise * rng.standard_normal((n, sessions, items))
    noise[yea_sayer] *= YEA_SAYER_NOISE
    lift = np.where(yea_sayer, YEA_SAYER_LIFT, 0.0)[:, None, None]
    intended = latent[:, :, components] + item_offsets + noise + lift
    straight = rng.random((n, sessions)) < world.straight
    intended = np.where(straight[:, :, None], intended.mean(axis=2, keepdims=True), intended)
    step = world.instrument.unit_step
    marks = np.clip(np.round(np.clip(intended, 0.0, 1.0) / step) * step, 0.0, 1.0)
    partial = rng.random((n, sessions)) < world.missing.partial
    unanswered = 0 if items < _SHORT else 1 if items < _LONG else 2
    for _ in range(min(unanswered, world.instrument.missing_total)):
        skipped = rng.integers(items, size=(n, sessions))
        rows = np.nonzero(partial)
        marks[rows[0], rows[1], skipped[rows]] = np.nan
    return marks


def _mean(values: Floats, known: Bools) -> Floats:
    count = known.sum(axis=-1)
    total = np.where(known, values, 0.0).sum(axis=-1)
    mean: Floats = np.divide(total, count, out=np.full(count.shape, np.nan), where=count > 0)
    return mean


def score_cohort(instrument: Instrument, marks: Floats, declined: Bools) -> Floats:
    """Score the forms of a cohort as `schemas.instruments.scoring` scores single forms.

    The arithmetic is separate because it works on whole cohorts: it adds up items in another order, so the
    last digit may differ, and with it a trained model. It also gives a component a score however many of its
    items are unanswered. `tests/unit/lab/test_simulator.py` compares the two.

    Args:
        instrument: of the marks.
        marks: (n, t, items) of `draw_marks`.
        declined: (n, t) whether the client gave no form.

    Returns:
        (n, t, columns) in the order of `services.detector.domain.form.FORM_COLUMNS`.
    """
    answered = ~np.isnan(marks) & ~declined[:, :, None]
    components = np.array(item_components(instrument))
    columns: dict[str, Floats] = {
        name: _mean(marks[:, :, components == component], answered[:, :, components == component])
        for component, name in enumerate(("bond", "goal", "task", "overall"))
    }
    count = answered.sum(axis=2)
    mean = _mean(marks, answered)
    variance = _mean((marks - mean[:, :, None]) ** 2, answered)
    columns["answered"] = count.astype(np.float64)
    columns["spread"] = np.where(count >= 2, np.sqrt(variance), np.nan)
    columns["top"] = _mean((marks >= 1.0 - 1e-9).astype(np.float64), answered)
    columns["step"] = np.full(count.shape, instrument.unit_step)
    columns["declined"] = declined.astype(np.float64)
    return np.stack([columns[name] for name in FORM_COLUMNS], axis=2)


def in_instrument_units(instrument: Instrument, marks: Floats) -> Floats:
    """Return marks (..., items) from the scale 0 to 1 as the client wrote them, reversed items included."""
    units = instrument.lowest + marks * (instrument.highest - instrument.lowest)
    turned = [item - 1 for item in sorted(instrument.reversed_items)]
    units[..., turned] = instrument.lowest + instrument.highest - units[..., turned]
    return np.round(units, 6)
