"""Turns form columns into what the filter observes: three channels and their measurement noise."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from services.detector.domain.form import FORM_COLUMNS
from services.detector.features.batch_sum import pairwise_sum
from services.detector.features.hypotheses import CHANNELS_FROM_COMPONENTS, FilterSettings

Floats = NDArray[np.float64]
Bools = NDArray[np.bool_]

UNOBSERVED = 1e4
"""The measurement variance of a channel that the form does not observe."""

_INDEX = {name: index for index, name in enumerate(FORM_COLUMNS)}
_SAME = 1e-9
_STRAIGHT = 0.1
"""Prior share of forms on which clients give all items one mark without weighing them."""
_DIGITS = 9
"""Contrasts are rounded because marks are decimals: a form lowered as a whole keeps them to the last bit."""


@dataclass(frozen=True, slots=True)
class Observation:
    """What the filter observes of n forms."""

    channels: Floats
    """(3, n) level, bond against the others, goal against task; 0 where not observed."""
    noise: Floats
    """(3, n) measurement variance of each channel."""
    components: Floats
    """(4, n) bond, goal, task, overall; NaN where a mark is missing."""
    overall_offset: Floats
    """(n,) how far overall is above the mean of the components; NaN where either is missing."""
    rated: Bools
    """(n,) whether there is at least one mark."""
    declined: Bools
    """(n,)"""
    at_top: Bools
    """(n,) whether every mark is the best there is, so that the true level may be anything above."""
    answered: Floats
    """(n,), as `spread`, `top` and `step`, from the form."""
    spread: Floats
    top: Floats
    step: Floats
    straight: Floats
    """(n,) P(one mark was given to all items without weighing them)."""
    squares: Floats
    """(n,) sum of squared deviations of items from their components; 0 where the form does not show it."""
    freedom: Floats
    """(n,) degrees of freedom of that sum."""


def item_variance(settings: FilterSettings, squares: Floats, items: Floats) -> Floats:
    """Return the variance (n,) of one item around its component, shrunk to the prior.

    Args:
        settings: hold the prior.
        squares: (n,) sum of squared deviations of items from their components so far.
        items: (n,) degrees of freedom of that sum.
    """
    prior = settings.item_weight
    return (prior * settings.item_variance + squares) / (prior + items)


def straight_lined(answered: Floats, spread: Floats, item_var: Floats, step: Floats) -> Floats:
    """Return P(one mark was given to all items without weighing them | the form), shape (n,)."""
    same = (answered >= 3) & (spread < _SAME)
    # P(two weighed items agree) after rounding to this step.
    agree = step / np.sqrt(step * step + 4 * np.pi * item_var)
    by_chance = agree ** np.maximum(answered - 1, 1.0)
    return np.where(same, _STRAIGHT / (_STRAIGHT + (1 - _STRAIGHT) * by_chance), 0.0)


def item_spread(components: Floats, answered: Floats, spread: Floats) -> tuple[Floats, Floats]:
    """Return the variance of items around their component and its degrees of freedom, each (n,).

    Components of several items are assumed to have as many each: their differences are not item noise. Where
    a form shows no spread both are 0.

    Args:
        components: (3, n) bond, goal and task; NaN where one is missing.
        answered: (n,) answered items.
        spread: (n,) standard deviation of the answered items; NaN where it is not shown.
    """
    several_items = ~np.isnan(components).any(axis=0) & (answered >= 6)
    filled = np.where(several_items, components, 0.0)
    between = np.where(several_items, filled - pairwise_sum(filled) / 3, 0.0)
    lost = np.where(several_items, 3.0, 1.0)
    freedom = np.where(np.isnan(spread), 0.0, np.maximum(answered - lost, 0.0))
    within = np.nan_to_num(spread) ** 2 - pairwise_sum(between * between) / 3
    within = np.maximum(within, 0.0) * answered / np.maximum(answered - lost, 1.0)
    return within, freedom


def observe(columns: Floats, baseline: Floats, offset: Floats, item_var: Floats) -> Observation:
    """Return what the filter observes of n forms.

    Args:
        columns: (n, columns) of `FORM_COLUMNS`.
        baseline: (3, n) this client's bond, goal and task, to stand in for single missing components.
        offset: (n,) how far this client's overall mark tends to be above the mean; NaN when unknown.
        item_var: (n,) from `item_variance`.
    """
    by_column = np.ascontiguousarray(columns.T)
    components, overall = by_column[:3], by_column[_INDEX["overall"]]
    given = ~np.isnan(components)
    count = given.sum(axis=0).astype(np.float64)
    has_component = count > 0
    has_overall = ~np.isnan(overall)
    safe_count = np.maximum(count, 1.0)
    mean_given = pairwise_sum(np.where(given, components, 0.0)) / safe_count
    baseline_given = pairwise_sum(np.where(given, baseline, 0.0)) / safe_count
    # A missing component is assumed to move with the others, around its baseline.
    filled = np.where(given, components, baseline + (mean_given - baseline_given))
    mean = pairwise_sum(filled) / 3
    overall_offset = np.where(has_component & has_overall, overall - mean, np.nan)
    known = np.where(np.isnan(offset), np.where(np.isnan(overall_offset), 0.0, overall_offset), offset)
    from_overall = np.where(has_overall, overall - known, mean)
    level = np.where(
        has_component, np.where(has_overall, 0.75 * mean + 0.25 * from_overall, mean), from_overall
    )
    rated = has_component | has_overall
    answered = by_column[_INDEX["answered"]]
    spread, top = by_column[_INDEX["spread"]], by_column[_INDEX["top"]]
    step = by_column[_INDEX["step"]]
    per_item = item_var + step * step / 12
    items = np.maximum(answered, 1.0)
    straight = straight_lined(answered, spread, item_var, step)
    missing = np.where(has_component, 3 / safe_count, 3.0)
    contrasts = pairwise_sum(CHANNELS_FROM_COMPONENTS.T[:, 1:, None] * filled[:, None])
    all_three = count == 3
    channels = np.empty((3, rated.size))
    channels[0] = np.where(rated, level, 0.0)
    channels[1:] = np.where(all_three, np.round(contrasts, _DIGITS), 0.0)
    noise = np.empty((3, rated.size))
    noise[0] = np.where(rated, missing * per_item / items + straight * step * step / 12, UNOBSERVED)
    contrast_noise = per_item / items / np.maximum(1 - straight, 1e-2)
    noise[1] = np.where(all_three, 4.5 * contrast_noise, UNOBSERVED)
    noise[2] = np.where(all_three, 6.0 * contrast_noise, UNOBSERVED)
    within, freedom = item_spread(components, answered, spread)
    freedom = (1 - straight) * freedom
    return Observation(
        channels=channels,
        noise=noise,
        components=by_column[:4],
        overall_offset=overall_offset,
        rated=rated,
        declined=by_column[_INDEX["declined"]] > 0,
        at_top=rated & (top >= 1.0 - 1e-9),
        answered=answered,
        spread=spread,
        top=top,
        step=step,
        straight=straight,
        squares=within * freedom,
        freedom=freedom,
    )
