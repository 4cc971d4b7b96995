"""Risks and what the features found in, assessments out: which component leads, and how the marks moved."""

from collections.abc import Iterator
from dataclasses import dataclass
from math import isnan

import numpy as np
from numpy.typing import NDArray

from schemas.events import Component
from services.detector.domain.assessment import DIGITS, Assessment, ComponentFinding
from services.detector.domain.form import Form
from services.detector.model.movement import (
    MovementInputs,
    RecentLevels,
    below_baseline,
    movement,
    slide_log_odds,
)

Floats = NDArray[np.float64]

_COMPONENTS = (Component.BOND, Component.GOAL, Component.TASK, Component.OVERALL)


@dataclass(frozen=True, slots=True)
class ExplanationInputs:
    """What the features found at n forms, gathered over the steps of a fold."""

    usual: Floats
    fall: Floats
    everything: Floats
    below_last: Floats
    rated: Floats
    trail: Floats
    wobble: Floats


def _moved(forms: list[Form], found: ExplanationInputs) -> Iterator[MovementInputs]:
    levels = RecentLevels(
        found.trail, found.rated, np.ascontiguousarray(found.usual[:, :3]), found.fall, found.wobble
    )
    below, variance = below_baseline(levels)
    columns = (
        found.rated,
        below[:, 0],
        below[:, 1],
        found.below_last,
        found.everything,
        slide_log_odds(below, variance, found.rated),
    )
    status = [form.status for form in forms]
    return map(MovementInputs._make, zip(status, *(column.tolist() for column in columns), strict=True))


def risk_shares(risk: Floats, found: ExplanationInputs, scores: Floats) -> Floats:
    """(n, 4) how much of the risk each of bond, goal, task and overall speaks for.

    In proportion to how far each is expected to have fallen, among those that this form marks; overall counts
    for what it lies lower than all of them. They sum to at most the risk; all 0 where nothing is known of any
    component.

    Args:
        risk: (n,) rounded.
        found: of n forms.
        scores: (n, 4) the forms' marks; NaN where there is none.
    """
    n = risk.size
    below = found.usual - scores
    known = np.where(np.isnan(below[:, :3]), -np.inf, below[:, :3])
    lowest = np.where(np.isinf(known.max(axis=1)), 0.0, np.maximum(known.max(axis=1), 0.0))
    overall = np.nan_to_num(np.maximum(below[:, 3] - lowest, 0.0))
    ever = ~np.isnan(np.where(np.isnan(found.usual), scores, found.usual))
    weights = np.zeros((n, 4))
    weights[:, :3] = found.fall
    weights[:, 3] = np.where(ever[:, :3].any(axis=1), np.where(overall > lowest, overall, 0.0), 1.0)
    # A form speaks through the marks it has; only one without any is spoken for by what is known so far.
    marked = ~np.isnan(scores)
    speaks = np.where(marked.any(axis=1, keepdims=True), marked, ever)
    weights = np.where(speaks, weights, 0.0)
    total = weights.sum(axis=1)
    share = weights / np.where(total > 0, total, 1.0)[:, None]
    # Rounded down, and once more where three roundings of binary numbers add up to more than the whole.
    scale = 10**DIGITS
    parts = np.floor(share * risk[:, None] * scale) / scale
    over = parts.sum(axis=1) > risk
    parts[over] = np.maximum(parts[over] - 1 / scale, 0.0)
    rounded: Floats = np.round(parts, DIGITS)
    return rounded


def _level(form: Form) -> float:
    whole = form.bond + form.goal + form.task  # NaN when one is missing
    if not isnan(whole):
        return round(whole / 3, DIGITS)
    parts = [mark for mark in (form.bond, form.goal, form.task) if not isnan(mark)]
    return round(sum(parts) / len(parts), DIGITS) if parts else round(form.overall, DIGITS)


def explain(forms: list[Form], risk: Floats, found: ExplanationInputs) -> list[Assessment]:
    """One assessment per form; `risk` (n,) and `found` are of the same forms in the same order."""
    scores = np.array([(f.bond, f.goal, f.task, f.overall) for f in forms], dtype=np.float64).reshape(-1, 4)
    parts = risk_shares(risk, found, scores)
    leading = np.argmax(parts, axis=1).tolist()
    rows = zip(
        forms,
        risk.tolist(),
        parts.tolist(),
        np.round(scores, DIGITS).tolist(),
        np.round(found.usual, DIGITS).tolist(),
        leading,
        _moved(forms, found),
        strict=True,
    )
    out = []
    for form, chance, share, score, usual, most, moved in rows:
        shown = {
            component: ComponentFinding(share[place], score[place], usual[place])
            for place, component in enumerate(_COMPONENTS)
            if not (isnan(score[place]) and isnan(usual[place]))
        }
        lead = _COMPONENTS[most] if share[most] > 0 else None
        out.append(
            Assessment(
                risk=chance,
                components=shown,
                leading=lead if lead in shown else None,
                movement=movement(moved),
                ratings=int(moved.rated),
                level=_level(form),
            )
        )
    return out
