"""Prints what a benchmark measured, one JSON object a line."""

import json
import statistics
from collections.abc import Sequence


def report(**values: object) -> None:
    """Print one line."""
    print(json.dumps(values, default=str), flush=True)


def report_batches(took_s: Sequence[float], **values: object) -> None:
    """Print how many batches of a writer there were, and how long they took."""
    report(
        **values,
        batches=len(took_s),
        median_ms=round(1e3 * statistics.median(took_s), 1),
        longest_ms=round(1e3 * max(took_s), 1),
    )
