"""Assessments in, how far they are from what the model was made on out; over a window that forgets slowly."""

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
"""With fewer, chance alone moves an index of ten bins by a hundredth and more."""
AT_ONCE = 50
"""Of a batch, at most so many are looked at: enough for shares, and nothing on the way of ratings."""


class DriftMonitor:
    """The window of one process."""

    def __init__(self, reference: Reference | None) -> None:
        self._reference = reference
        self._counts = (
            {}
            if reference is None
            else {name: bin_counts(reference.shares[name].edges, ()) for name in QUANTITIES}
        )

    def add(self, found: Sequence[Assessment]) -> None:
        """Take in a batch's sessions, each assessed for the first time by the reference's model."""
        if self._reference is None or not found:
            return
        some = found[:: max(1, len(found) // AT_ONCE)]
        fade = 0.5 ** (len(some) / HALF_LIFE)
        for name, values in zip(QUANTITIES, zip(*map(drift_quantities, some), strict=True), strict=True):
            now = bin_counts(self._reference.shares[name].edges, values)
            self._counts[name] = self._counts[name] * fade + now

    def index(self, name: str) -> float:
        """The population stability index of a quantity; NaN while too few sessions were seen."""
        if self._reference is None or self._counts[name].sum() < ENOUGH:
            return nan
        return stability_index(self._reference.shares[name].shares, self._counts[name])
