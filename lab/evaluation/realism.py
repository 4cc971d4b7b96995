"""Real ratings and simulated caseloads in, one table that compares them figure by figure out."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from lab.simulator.cohort import simulate
from lab.simulator.instruments import ItemShape
from lab.simulator.world import draw_world
from services.detector.domain.baseline_rules import totals
from services.detector.domain.form import FORM_COLUMNS, Form, form_matrix

Floats = NDArray[np.float64]
Bools = NDArray[np.bool_]

_FEWEST = 3
"""A client's own figures rest on at least so many rated forms."""
_FALLS = 0.125, 0.25
"""Half a mark and a whole one on a scale of 1 to 5."""
_BACK_WITHIN = 3
_SEED = 41


@dataclass(frozen=True, slots=True)
class Compared:
    """One figure: of the real ratings, and over simulated caseloads of as many clients."""

    name: str
    real: float
    low: float
    middle: float
    high: float
    """5th, 50th and 95th percentile over the caseloads."""


def padded(histories: Sequence[Sequence[Form]]) -> tuple[Floats, Bools]:
    """(n, t, columns) of forms and (n, t) which sessions took place."""
    longest = max(len(forms) for forms in histories)
    forms = np.full((len(histories), longest, len(FORM_COLUMNS)), np.nan)
    present = np.zeros((len(histories), longest), dtype=np.bool_)
    for client, one in enumerate(histories):
        forms[client, : len(one)] = form_matrix(one)
        present[client, : len(one)] = True
    return forms, present


def figures(forms: Floats, present: Bools) -> dict[str, float]:
    """What a caseload looks like from outside, by name; levels on the common scale 0 to 1."""
    level = np.where(present, totals(forms), np.nan)
    known = [row[~np.isnan(row)] for row in level]
    some = [row for row in known if row.size >= _FEWEST]
    means, spreads = [row.mean() for row in some], [row.std(ddof=1) for row in some]
    slopes = [np.polyfit(np.arange(row.size), row, 1)[0] for row in some]
    falls = [_falls(row, _FALLS[0]) for row in known]
    deep = [_falls(row, _FALLS[1]) for row in known]
    pairs = sum(max(row.size - 1, 0) for row in known)
    fell = sum(map(len, falls))
    rated = sum(row.size for row in known)
    at = {name: forms[:, :, place] for place, name in enumerate(FORM_COLUMNS)}
    given = ~np.isnan(level)
    return {
        "clients' mean levels, mean": float(np.mean(means)),
        "clients' mean levels, standard deviation": float(np.std(means, ddof=1)),
        "clients' own spread, median": float(np.median(spreads)),
        "rise per session, mean": float(np.mean(slopes)),
        "falls by 1/8 of the scale, per 100 pairs of forms": 100 * fell / max(pairs, 1),
        "clients with such a fall, of 100": 100 * float(np.mean([bool(one) for one in falls])),
        "such falls half back within 3 forms, of 100": 100 * sum(map(sum, falls)) / max(fell, 1),
        "falls by 1/4 of the scale, per 100 pairs of forms": 100 * sum(map(len, deep)) / max(pairs, 1),
        "sessions without a form, of 100": 100 * float(1 - given[present].mean()),
        "forms with one mark throughout, of 100": 100 * float((at["spread"][given] < 1e-9).sum()) / rated,
        "forms with the best mark throughout, of 100": 100
        * float((at["top"][given] > 1 - 1e-9).sum())
        / rated,
    }


def _falls(row: Floats, by: float) -> list[bool]:
    """For each fall from one rated form to the next: whether half of it is back soon."""
    found = []
    for at in np.nonzero(row[:-1] - row[1:] >= by - 1e-9)[0].tolist():
        after = row[at + 2 : at + 2 + _BACK_WITHIN]
        found.append(bool((after >= (row[at] + row[at + 1]) / 2).any()))
    return found


def compare(
    histories: Sequence[Sequence[Form]], shape: ItemShape, cohorts: int, told: Callable[[int], None]
) -> list[Compared]:
    """The figures of real histories beside those of caseloads drawn from the training priors."""
    forms, present = padded(histories)
    real = figures(forms, present)
    drawn = []
    for number in range(cohorts):
        rng = np.random.default_rng([_SEED, number])
        cohort = simulate(rng, len(histories), draw_world(rng, shape), present.shape[1])
        drawn.append(figures(cohort.forms, cohort.present))
        told(number + 1)
    rows = []
    for name, value in real.items():
        low, middle, high = np.quantile([one[name] for one in drawn], (0.05, 0.5, 0.95)).tolist()
        rows.append(Compared(name, value, low, middle, high))
    return rows
