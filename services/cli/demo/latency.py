"""Computes how long it took from a rating's acceptance to the therapist's inbox item."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

QUANTILES = (0.5, 0.95, 0.99)


@dataclass(frozen=True, slots=True)
class LatencyPercentiles:
    """Percentiles by nearest rank, so that each is a measured value."""

    count: int
    p50_ms: float
    p95_ms: float
    p99_ms: float


def latency_percentiles(decisions: Iterable[Mapping[str, Any]]) -> LatencyPercentiles | None:
    """Return the percentiles over all inbox items among these decisions; None when there is none."""
    waits = sorted(
        1000 * (_moment(decision, "decided_at") - _moment(decision, "accepted_at")).total_seconds()
        for decision in decisions
        if decision["channel"] == "inbox" and decision["outcome"] == "told"
    )
    if not waits:
        return None
    ranks = (min(len(waits) - 1, int(len(waits) * quantile)) for quantile in QUANTILES)
    return LatencyPercentiles(len(waits), *(waits[rank] for rank in ranks))


def _moment(decision: Mapping[str, Any], field: str) -> datetime:
    return datetime.fromisoformat(decision[field])
