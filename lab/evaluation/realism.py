"""Compares real ratings with simulated caseloads, one descriptive figure after the other."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from lab.simulator.cohort import simulate
from lab.simulator.world import draw_world
from schemas.instruments.instrument import Instrument
from services.detector.domain.baseline_rules import totals
from services.detector.domain.form import FORM_COLUMNS, Form, form_matrix

Floats = NDArray[np.float64]
Bools = NDArray[np.bool_]

_MIN_FORMS = 3
"""Rated forms that a client needs for means, spreads and slopes."""
_FALLS = 0.125, 0.25
"""Half a mark and a whole one on a scale of 1 to 5."""
_RECOVERY_FORMS = 3
_SEED = 41


@dataclass(frozen=True, slots=True)
class FigureComparison:
    """One figure of the real ratings, and its distribution over simulated caseloads of the same size."""

    name: str
    real: float
    low: float
    """5th percentile over the caseloads."""
    median: float
    high: float
    """95th percentile."""


def padded(histories: Sequence[Sequence[Form]]) -> tuple[Floats, Bools]:
    """Return the forms of n histories as (n, t, columns), and (n, t) which sessions took place."""
    longest = max(len(forms) for forms in histories)
    forms = np.full((len(histories), longest, len(FORM_COLUMNS)), np.nan)
    present = np.zeros((len(histories), longest), dtype=np.bool_)
    for client, history in enumerate(histories):
        forms[client, : len(history)] = form_matrix(history)
        present[client, : len(history)] = True
    return forms, present


def figures(forms: Floats, present: Bools) -> dict[str, float]:
    """Return the figures of a caseload by name, from forms (n, t, columns) and `present` (n, t).

    Levels are on the scale 0 to 1.
    """
    level = np.where(present, totals(forms), np.nan)
    known = [row[~np.isnan(row)] for row in level]
    enough = [row for row in known if row.size >= _MIN_FORMS]
    means, spreads = [row.mean() for row in enough], [row.std(ddof=1) for row in enough]
    slopes = [np.polyfit(np.arange(row.size), row, 1)[0] for row in enough]
    falls = [_falls(row, _FALLS[0]) for row in known]
    deep = [_falls(row, _FALLS[1]) for row in known]
    pairs = sum(max(row.size - 1, 0) for row in known)
    fell = sum(map(len, falls))
    rated = sum(row.size for row in known)
    column = {name: forms[:, :, position] for position, name in enumerate(FORM_COLUMNS)}
    given = ~np.isnan(level)
    return {
        "clients' mean levels, mean": float(np.mean(means)),
        "clients' mean levels, standard deviation": float(np.std(means, ddof=1)),
        "clients' own spread, median": float(np.median(spreads)),
        "rise per session, mean": float(np.mean(slopes)),
        "falls by 1/8 of the scale, per 100 pairs of forms": 100 * fell / max(pairs, 1),
        "clients with such a fall, of 100": 100 * float(np.mean([bool(client) for client in falls])),
        "such falls half back within 3 forms, of 100": 100 * sum(map(sum, falls)) / max(fell, 1),
        "falls by 1/4 of the scale, per 100 pairs of forms": 100 * sum(map(len, deep)) / max(pairs, 1),
        "sessions without a form, of 100": 100 * float(1 - given[present].mean()),
        "forms with one mark throughout, of 100": 100 * float((column["spread"][given] < 1e-9).sum()) / rated,
        "forms with the best mark throughout, of 100": 100
        * float((column["top"][given] > 1 - 1e-9).sum())
        / rated,
    }


def _falls(row: Floats, by: float) -> list[bool]:
    """Return, for each fall between neighbouring rated forms, whether half of it is regained soon."""
    regained = []
    for position in np.nonzero(row[:-1] - row[1:] >= by - 1e-9)[0].tolist():
        after = row[position + 2 : position + 2 + _RECOVERY_FORMS]
        regained.append(bool((after >= (row[position] + row[position + 1]) / 2).any()))
    return regained


def compare(
    histories: Sequence[Sequence[Form]],
    instrument: Instrument,
    cohorts: int,
    progress: Callable[[int], None],
) -> list[FigureComparison]:
    """Compare real histories with caseloads drawn from the training priors.

    `progress` gets the number of caseloads done.
    """
    forms, present = padded(histories)
    real = figures(forms, present)
    drawn = []
    for number in range(cohorts):
        rng = np.random.default_rng([_SEED, number])
        cohort = simulate(rng, len(histories), draw_world(rng, instrument), present.shape[1])
        drawn.append(figures(cohort.forms, cohort.present))
        progress(number + 1)
    rows = []
    for name, value in real.items():
        low, median, high = np.quantile([caseload[name] for caseload in drawn], (0.05, 0.5, 0.95)).tolist()
        rows.append(FigureComparison(name, value, low, median, high))
    return rows
