"""Computes statistics of a practice's unlabelled ratings: how its clients mark, vary and decline.

The network reads them beside each form, because the same fall means more in a practice whose clients are
steady. They hold no truth about ruptures and name no client. The number of forms per client is left out on
purpose: short treatments are no sign of ruptures.
"""

import numpy as np
from numpy.typing import NDArray

from services.detector.domain.form import FORM_COLUMNS

Floats = NDArray[np.float64]

CHANGE_QUANTILES = (0.01, 0.03, 0.08, 0.92, 0.97, 0.99)
SD_QUANTILES = (0.1, 0.5, 0.9)
STATISTICS = (
    "mean_of_client_means",
    "sd_of_client_means",
    "median_of_client_means",
    "within_client_sd",
    "item_deviation",
    "autocorrelation",
    "skewness",
    "kurtosis",
    *(f"change_quantile_{round(100 * share):02d}" for share in CHANGE_QUANTILES),
    "share_at_top",
    "share_declined",
    "component_sd_within",
    "component_sd_between",
    *(f"client_sd_quantile_{round(100 * share)}" for share in SD_QUANTILES),
)
"""The names of the statistics, in the order in which a model reads them; they must not change."""
ENOUGH_CLIENTS = 20
"""With fewer rated clients, statistics say little about a practice and are not used."""
DIGITS = 6

_INDEX = {name: index for index, name in enumerate(FORM_COLUMNS)}
_ENOUGH_FORMS = 3
"""A client's own standard deviation counts from this many rated forms on."""
_SEVERAL_ITEMS = 6
"""Forms with fewer answered items do not show how items differ within a component."""
_SAME = 1e-9


def practice_statistics(columns: Floats, client: NDArray[np.int64]) -> Floats | None:
    """Return the statistics (21,) of a practice's forms in the order of `STATISTICS`, rounded.

    None when fewer than `ENOUGH_CLIENTS` clients gave a form.

    Args:
        columns: (forms, columns) of `FORM_COLUMNS`, each client's forms together and in order.
        client: (forms,) a number per client, from 0.
    """
    components = columns[:, :3]
    given = ~np.isnan(components)
    count = given.sum(axis=1)
    total = np.where(given, components, 0.0).sum(axis=1)
    level = np.where(count > 0, total / np.maximum(count, 1), columns[:, _INDEX["overall"]])
    rated = ~np.isnan(level)
    _, owner = np.unique(client[rated], return_inverse=True)
    clients = int(owner.max()) + 1 if owner.size else 0
    if clients < ENOUGH_CLIENTS:
        return None
    level = level[rated]
    forms = np.bincount(owner, minlength=clients)
    means = np.bincount(owner, level, clients) / forms
    deviation = level - means[owner]
    squares = np.bincount(owner, deviation**2, clients)
    freedom = max(int((forms - 1).sum()), 1)
    within = float(np.sqrt(squares.sum() / freedom))
    scale = max(within, 1e-6)
    follows = owner[1:] == owner[:-1]
    changes = (level[1:] - level[:-1])[follows]
    enough = forms >= _ENOUGH_FORMS
    sds = np.sqrt(squares[enough] / (forms[enough] - 1))
    both = float((deviation[1:] * deviation[:-1])[follows].mean()) if changes.size else 0.0
    top = columns[rated, _INDEX["top"]]
    statistics = (
        float(means.mean()),
        float(means.std()),
        float(np.median(means)),
        within,
        _item_deviation(columns[rated]),
        both / scale**2,
        float((deviation**3).mean()) / scale**3,
        min(float((deviation**4).mean()) / scale**4, 30.0),
        *_quantiles(changes, CHANGE_QUANTILES),
        float(np.nan_to_num(top).mean()),
        float((columns[:, _INDEX["declined"]] > 0).mean()),
        *_component_sds(components[rated] - level[:, None], owner, forms),
        *_quantiles(sds, SD_QUANTILES),
    )
    return np.round(np.array(statistics), DIGITS)


def _quantiles(values: Floats, shares: tuple[float, ...]) -> list[float]:
    return np.quantile(values, shares).tolist() if values.size else [0.0] * len(shares)


def _item_deviation(columns: Floats) -> float:
    """Return the standard deviation of an item around its component, pooled over forms; 0: not shown."""
    spread, answered = columns[:, _INDEX["spread"]], columns[:, _INDEX["answered"]]
    components = columns[:, :3]
    shown = (answered >= _SEVERAL_ITEMS) & (spread > _SAME) & ~np.isnan(components).any(axis=1)
    if not shown.any():
        return 0.0
    between = components[shown].var(axis=1)
    squares = np.maximum(spread[shown] ** 2 - between, 0.0) * answered[shown]
    return float(np.sqrt(squares.sum() / (answered[shown] - 3).sum()))


def _component_sds(
    contrast: Floats, owner: NDArray[np.intp], forms: NDArray[np.int64]
) -> tuple[float, float]:
    """Return how components vary against their mean: within clients, and between clients' means.

    `contrast` (forms, 3) is each component minus the form's level; NaN where one is missing.
    """
    within_squares = within_freedom = 0.0
    between = []
    for column in contrast.T:
        given = ~np.isnan(column)
        number = np.bincount(owner[given], minlength=forms.size)
        mean = np.bincount(owner[given], column[given], forms.size) / np.maximum(number, 1)
        within_squares += float(((column - mean[owner])[given] ** 2).sum())
        within_freedom += float(np.maximum(number - 1, 0).sum())
        if (number > 0).any():
            between.append(float(mean[number > 0].var()))
    within = float(np.sqrt(within_squares / max(within_freedom, 1.0)))
    return within, float(np.sqrt(np.mean(between))) if between else 0.0
