"""Measures how far recent assessments are from the model's training data, with slow forgetting."""

from collections.abc import Sequence
from math import nan

from services.detector.domain.assessment import Assessment
from services.detector.domain.reference import (
    QUANTITIES,
    Reference,
    bin_counts,
    drift_quantities,
    stability_index,
)

HALF_LIFE = 5_000
"""Sessions after which an older one counts half."""
ENOUGH = 1_000
"""With fewer sessions, chance alone moves an index of ten bins by .01 and more."""
BATCH_SAMPLE = 50
"""Sessions sampled per batch: enough for shares, and too few to slow the batch down."""


class DriftMonitor:
    """The window of one process; without a reference it measures nothing."""

    def __init__(self, reference: Reference | None) -> None:
        self._reference = reference
        self._counts = (
            {}
            if reference is None
            else {name: bin_counts(reference.shares[name].edges, ()) for name in QUANTITIES}
        )

    def add(self, assessments: Sequence[Assessment]) -> None:
        """Add a batch's sessions, each assessed for the first time by the reference's model."""
        if self._reference is None or not assessments:
            return
        sample = assessments[:: max(1, len(assessments) // BATCH_SAMPLE)]
        fade = 0.5 ** (len(sample) / HALF_LIFE)
        for name, values in zip(QUANTITIES, zip(*map(drift_quantities, sample), strict=True), strict=True):
            added = bin_counts(self._reference.shares[name].edges, values)
            self._counts[name] = self._counts[name] * fade + added

    def index(self, name: str) -> float:
        """Return the population stability index of a quantity; NaN with fewer than `ENOUGH` sessions."""
        if self._reference is None or self._counts[name].sum() < ENOUGH:
            return nan
        return stability_index(self._reference.shares[name].shares, self._counts[name])
