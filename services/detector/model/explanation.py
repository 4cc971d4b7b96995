"""Explains risks: the part of each component, the leading component, and how the marks moved."""

from collections.abc import Iterator
from dataclasses import dataclass
from math import isnan

import numpy as np
from numpy.typing import NDArray

from schemas.components import Component
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

_NETWORK_PART = 0.5
"""Weight of the network's falls against the filter's expected drop in the parts of the components."""
_COMPONENTS = (Component.BOND, Component.GOAL, Component.TASK, Component.OVERALL)
_LEADING = (*_COMPONENTS, None)


@dataclass(frozen=True, slots=True)
class ExplanationInputs:
    """The numbers of n forms that their explanation needs; the fields of `Extraction` of the same names."""

    baseline: Floats
    """(n, 4)"""
    expected_drop: Floats
    """(n, 3)"""
    all_fell: Floats
    """(n,)"""
    below_last: Floats
    """(n,)"""
    rated: Floats
    """(n,)"""
    recent: Floats
    """(n, 3 * `movement.FORMS`)"""
    observation_variance: Floats
    """(n, 3)"""
    network_falls: Floats | None = None
    """(n, 3) of bond, goal and task, as the network expects them; None: the model has none."""


def explain(forms: list[Form], risk: Floats, inputs: ExplanationInputs) -> list[Assessment]:
    """Return one assessment per form; `risk` (n,) and `inputs` are those of the same forms in order."""
    scores = np.array([(f.bond, f.goal, f.task, f.overall) for f in forms], dtype=np.float64).reshape(-1, 4)
    parts = risk_shares(risk, inputs, scores)
    marks, baseline = np.round(scores, DIGITS), np.round(inputs.baseline, DIGITS)
    known = ~(np.isnan(marks) & np.isnan(baseline))
    all_known: NDArray[np.bool_] = np.all(known, axis=1)
    largest = parts.argmax(axis=1)
    of_largest = (np.arange(len(forms)), largest)
    leads = (parts[of_largest] > 0) & known[of_largest]
    findings = map(ComponentFinding, *(numbers.ravel().tolist() for numbers in (parts, marks, baseline)))
    rows = zip(
        risk.tolist(),
        zip(findings, findings, findings, findings, strict=True),  # the next four are those of the next form
        all_known.tolist(),
        np.where(leads, largest, len(_COMPONENTS)).tolist(),
        _movement_inputs(forms, inputs),
        _levels(scores).tolist(),
        strict=True,
    )
    assessments = []
    for form_risk, of_form, is_complete, leading, moved, level in rows:
        components = dict(zip(_COMPONENTS, of_form, strict=True))
        if not is_complete:
            components = {name: one for name, one in components.items() if _is_known(one)}
        assessments.append(
            Assessment(form_risk, components, _LEADING[leading], movement(moved), int(moved.rated), level)
        )
    return assessments


def risk_shares(risk: Floats, inputs: ExplanationInputs, scores: Floats) -> Floats:
    """Return the part of the risk that bond, goal, task and overall each account for, shape (n, 4).

    The parts are in proportion to each component's expected drop, among the components that the form marks;
    where the model has a network, to a mean of that drop and the network's fall;
    overall counts for how much lower it is than all of them. They sum to at most the risk; all are 0 where
    nothing is known of any component.

    Args:
        risk: (n,) rounded.
        inputs: those of n forms.
        scores: (n, 4) the forms' marks; NaN where one is missing.
    """
    n = risk.size
    below = inputs.baseline - scores
    known = np.where(np.isnan(below[:, :3]), -np.inf, below[:, :3])
    lowest = np.where(np.isinf(known.max(axis=1)), 0.0, np.maximum(known.max(axis=1), 0.0))
    overall = np.nan_to_num(np.maximum(below[:, 3] - lowest, 0.0))
    ever_marked = ~np.isnan(np.where(np.isnan(inputs.baseline), scores, inputs.baseline))
    weights = np.zeros((n, 4))
    weights[:, :3] = _drop(inputs)
    weights[:, 3] = np.where(ever_marked[:, :3].any(axis=1), np.where(overall > lowest, overall, 0.0), 1.0)
    # A form is explained by the marks it has; one without any, by the components known so far.
    marked = ~np.isnan(scores)
    counted = np.where(marked.any(axis=1, keepdims=True), marked, ever_marked)
    weights = np.where(counted, weights, 0.0)
    total = weights.sum(axis=1)
    share = weights / np.where(total > 0, total, 1.0)[:, None]
    # Rounded down, and once more where the sum of rounded binary numbers still exceeds the whole.
    scale = 10**DIGITS
    parts = np.floor(share * risk[:, None] * scale) / scale
    over = parts.sum(axis=1) > risk
    parts[over] = np.maximum(parts[over] - 1 / scale, 0.0)
    rounded: Floats = np.round(parts, DIGITS)
    return rounded


def _drop(inputs: ExplanationInputs) -> Floats:
    if inputs.network_falls is None:
        return inputs.expected_drop
    falls = np.maximum(inputs.network_falls, 0.0)
    drop: Floats = (1 - _NETWORK_PART) * inputs.expected_drop + _NETWORK_PART * falls
    return drop


def _movement_inputs(forms: list[Form], inputs: ExplanationInputs) -> Iterator[MovementInputs]:
    levels = RecentLevels(
        inputs.recent,
        inputs.rated,
        np.ascontiguousarray(inputs.baseline[:, :3]),
        inputs.expected_drop,
        inputs.observation_variance,
    )
    below, variance = below_baseline(levels)
    columns = (
        inputs.rated,
        below[:, 0],
        below[:, 1],
        inputs.below_last,
        inputs.all_fell,
        slide_log_odds(below, variance, inputs.rated),
    )
    status = [form.status for form in forms]
    return map(MovementInputs._make, zip(status, *(column.tolist() for column in columns), strict=True))


def _is_known(finding: ComponentFinding) -> bool:
    return not (isnan(finding.score) and isnan(finding.baseline))


def _levels(scores: Floats) -> Floats:
    """Return each form's mean mark (n,): of the components that it marks, else overall; NaN without any."""
    given = ~np.isnan(scores[:, :3])
    marked = np.where(given, scores[:, :3], 0.0)
    count = given.sum(axis=1)
    mean: Floats = (marked[:, 0] + marked[:, 1] + marked[:, 2]) / np.maximum(count, 1)
    levels: Floats = np.where(count > 0, mean, scores[:, 3])
    return levels.round(DIGITS)
