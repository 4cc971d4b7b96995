"""Decisions in, how long from a rating's acceptance to the therapist's inbox item out."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any


@dataclass(frozen=True, slots=True)
class LatencyPercentiles:
    """Milliseconds; the nearest rank, so that each is a value that was measured."""

    count: int
    p50_ms: float
    p95_ms: float
    p99_ms: float


def latency_percentiles(decisions: Iterable[Mapping[str, Any]]) -> LatencyPercentiles | None:
    """Of all inbox items that were told; None when there is none."""
    waits = sorted(
        (datetime.fromisoformat(one["decided_at"]) - datetime.fromisoformat(one["accepted_at"]))
        .total_seconds() * 1000
        for one in decisions
        if one["channel"] == "inbox" and one["outcome"] == "told"
    )  # fmt: skip
    if not waits:
        return None
    return LatencyPercentiles(
        len(waits), *(waits[min(len(waits) - 1, int(len(waits) * q))] for q in (0.5, 0.95, 0.99))
    )
