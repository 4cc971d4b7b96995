"""Latent components in, item marks as a client would give them out, and the scored columns of those marks."""

import numpy as np
from numpy.typing import NDArray

from lab.simulator.instruments import ItemShape
from lab.simulator.world import World
from services.detector.domain.form import FORM_COLUMNS

Floats = NDArray[np.float64]
Bools = NDArray[np.bool_]

OFF_THE_TOP = 0.3
"""How far above their latent alliance yea-sayers mark."""
YEA_NOISE = 0.3
"""The noise of yea-sayers' marks, as a share of the others'."""


def draw_item_offsets(rng: np.random.Generator, world: World) -> Floats:
    """(items,) how much higher than its component each item is marked by everybody in this cohort."""
    return world.item_offset_sd * rng.standard_normal(len(world.shape.components))


def give_marks(rng: np.random.Generator, world: World, latent: Floats, yea: Bools, offset: Floats) -> Floats:
    """(n, t, items) marks 0 to 1 after reversal, on the instrument's steps, unanswered ones NaN.

    `latent` is (n, t, 4): bond, goal, task and overall; `yea` (n,) says who marks everything high; `offset`
    is of `draw_item_offsets`.
    """
    shape = world.shape
    n, sessions, _ = latent.shape
    owners = np.array(shape.components)
    items = owners.size
    noise = world.item_noise * rng.standard_normal((n, sessions, items))
    noise[yea] *= YEA_NOISE
    lift = np.where(yea, OFF_THE_TOP, 0.0)[:, None, None]
    wanted = latent[:, :, owners] + offset + noise + lift
    straight = rng.random((n, sessions)) < world.straight
    wanted = np.where(straight[:, :, None], wanted.mean(axis=2, keepdims=True), wanted)
    step = shape.step_share
    marks = np.clip(np.round(np.clip(wanted, 0.0, 1.0) / step) * step, 0.0, 1.0)
    partial = rng.random((n, sessions)) < world.missing.partial
    # At most a quarter of a form stays open, and never its only mark of a component in all forms at once.
    asked_twice = 2 if items >= 8 else 1
    for _ in range(asked_twice if items > 3 else 0):
        skipped = rng.integers(items, size=(n, sessions))
        rows = np.nonzero(partial)
        marks[rows[0], rows[1], skipped[rows]] = np.nan
    return marks


def _mean(values: Floats, given: Bools) -> Floats:
    count = given.sum(axis=-1)
    total = np.where(given, values, 0.0).sum(axis=-1)
    mean: Floats = np.divide(total, count, out=np.full(count.shape, np.nan), where=count > 0)
    return mean


def score(shape: ItemShape, marks: Floats, declined: Bools) -> Floats:
    """(n, t, columns) of `history.COLUMNS`: what `form_of` makes of the same marks, for whole cohorts."""
    given = ~np.isnan(marks) & ~declined[:, :, None]
    owners = np.array(shape.components)
    columns: dict[str, Floats] = {
        name: _mean(marks[:, :, owners == component], given[:, :, owners == component])
        for component, name in enumerate(("bond", "goal", "task", "overall"))
    }
    answered = given.sum(axis=2)
    mean = _mean(marks, given)
    variance = _mean((marks - mean[:, :, None]) ** 2, given)
    columns["answered"] = answered.astype(np.float64)
    columns["spread"] = np.where(answered >= 2, np.sqrt(variance), np.nan)
    columns["top"] = _mean((marks >= 1.0 - 1e-9).astype(np.float64), given)
    columns["step"] = np.full(answered.shape, shape.step_share)
    columns["declined"] = declined.astype(np.float64)
    return np.stack([columns[name] for name in FORM_COLUMNS], axis=2)


def in_instrument_units(shape: ItemShape, marks: Floats) -> Floats:
    """Marks 0 to 1 back to what the client wrote down, reversed items turned round."""
    units = shape.lowest + marks * (shape.highest - shape.lowest)
    turned = list(shape.reversed_items)
    units[..., turned] = shape.lowest + shape.highest - units[..., turned]
    return np.round(units, 6)
