"""Form columns and what is known of the client in, what the filter sees out: channels and their noise."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from services.detector.domain.form import FORM_COLUMNS
from services.detector.features.batch_sum import pairwise_sum
from services.detector.features.hypotheses import ROTATION, FilterSettings

Floats = NDArray[np.float64]
Bools = NDArray[np.bool_]

UNSEEN = 1e4
"""The noise variance of a channel this form says nothing about."""

_AT = {name: place for place, name in enumerate(FORM_COLUMNS)}
_SAME = 1e-9
_STRAIGHT = 0.1
"""Share of forms on which clients give all items one mark."""
_DIGITS = 9
"""Marks are decimals: rounded, a form that is lowered as a whole keeps its contrasts to the last bit."""


@dataclass(frozen=True, slots=True)
class Observation:
    """n forms as the filter sees them."""

    channels: Floats
    """(3, n): level, bond against the others, goal against task; 0 where unseen."""
    noise: Floats
    """(3, n): measurement variance of each channel."""
    components: Floats
    """(4, n): bond, goal, task, overall; NaN where there is no mark."""
    overall_offset: Floats
    """(n,): how far overall lies over the mean of the components; NaN where either is missing."""
    rated: Bools
    """(n,): there is at least one mark."""
    declined: Bools
    at_top: Bools
    """(n,): every mark is the best there is: the true level may be anything above."""
    answered: Floats
    spread: Floats
    top: Floats
    step: Floats
    straight: Floats
    """(n,): how likely one mark was given to all items without weighing them."""
    squares: Floats
    """(n,): squared deviations of items from their components, summed; 0 where that says nothing."""
    freedom: Floats
    """(n,): how many squared deviations that sum is worth."""


def item_variance(settings: FilterSettings, squares: Floats, items: Floats) -> Floats:
    """(n,) variance of one item around its component, shrunk to the prior.

    `squares` is the sum of squared deviations of items from their form's mean so far, `items` their number
    less one per form.
    """
    prior = settings.item_weight
    return (prior * settings.item_variance + squares) / (prior + items)


def straight_lined(answered: Floats, spread: Floats, item_var: Floats, step: Floats) -> Floats:
    """(n,) P(the same mark was given to all items without weighing them | the form)."""
    same = (answered >= 3) & (spread < _SAME)
    # Two items rounded to this step agree about so often when each is weighed.
    agree = step / np.sqrt(step * step + 4 * np.pi * item_var)
    by_chance = agree ** np.maximum(answered - 1, 1.0)
    return np.where(same, _STRAIGHT / (_STRAIGHT + (1 - _STRAIGHT) * by_chance), 0.0)


def observe(columns: Floats, usual: Floats, offset: Floats, item_var: Floats) -> Observation:
    """What the filter sees of n forms.

    Args:
        columns: (n, columns) of `history.COLUMNS`.
        usual: (3, n) this client's usual bond, goal and task, to stand in for single missing components.
        offset: (n,) how far this client's overall mark usually lies over the mean; NaN when unknown.
        item_var: (n,) from `item_variance`.
    """
    turned = np.ascontiguousarray(columns.T)
    parts, overall = turned[:3], turned[_AT["overall"]]
    given = ~np.isnan(parts)
    count = given.sum(axis=0).astype(np.float64)
    some = count > 0
    has_overall = ~np.isnan(overall)
    safe = np.maximum(count, 1.0)
    mean_given = pairwise_sum(np.where(given, parts, 0.0)) / safe
    usual_given = pairwise_sum(np.where(given, usual, 0.0)) / safe
    # A missing component is taken to move with the others, around what is usual for it.
    filled = np.where(given, parts, usual + (mean_given - usual_given))
    mean = pairwise_sum(filled) / 3
    overall_offset = np.where(some & has_overall, overall - mean, np.nan)
    known = np.where(np.isnan(offset), np.where(np.isnan(overall_offset), 0.0, overall_offset), offset)
    from_overall = np.where(has_overall, overall - known, mean)
    level = np.where(some, np.where(has_overall, 0.75 * mean + 0.25 * from_overall, mean), from_overall)
    rated = some | has_overall
    answered = turned[_AT["answered"]]
    spread, top = turned[_AT["spread"]], turned[_AT["top"]]
    step = turned[_AT["step"]]
    per_item = item_var + step * step / 12
    items = np.maximum(answered, 1.0)
    straight = straight_lined(answered, spread, item_var, step)
    missing = np.where(some, 3 / safe, 3.0)
    contrasts = pairwise_sum(ROTATION.T[:, 1:, None] * filled[:, None])
    all_three = count == 3
    channels = np.empty((3, rated.size))
    channels[0] = np.where(rated, level, 0.0)
    channels[1:] = np.where(all_three, np.round(contrasts, _DIGITS), 0.0)
    noise = np.empty((3, rated.size))
    noise[0] = np.where(rated, missing * per_item / items + straight * step * step / 12, UNSEEN)
    apart = per_item / items / np.maximum(1 - straight, 1e-2)
    noise[1] = np.where(all_three, 4.5 * apart, UNSEEN)
    noise[2] = np.where(all_three, 6.0 * apart, UNSEEN)
    # Components of several items are taken to have as many each: what they differ by is no noise of items.
    parted = all_three & (answered >= 6)
    between = np.where(parted, parts - mean, 0.0)
    lost = np.where(parted, 3.0, 1.0)
    freedom = np.where(np.isnan(spread), 0.0, (1 - straight) * np.maximum(answered - lost, 0.0))
    within = np.nan_to_num(spread) ** 2 - pairwise_sum(between * between) / 3
    within = np.maximum(within, 0.0) * answered / np.maximum(answered - lost, 1.0)
    return Observation(
        channels=channels,
        noise=noise,
        components=turned[:4],
        overall_offset=overall_offset,
        rated=rated,
        declined=turned[_AT["declined"]] > 0,
        at_top=rated & (top >= 1.0 - 1e-9),
        answered=answered,
        spread=spread,
        top=top,
        step=step,
        straight=straight,
        squares=within * freedom,
        freedom=freedom,
    )
