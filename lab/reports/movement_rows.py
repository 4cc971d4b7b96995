"""Figures in, rows about the kind of movement out: what was said of it beside the simulator's truth."""

from collections.abc import Sequence

from lab.evaluation.evaluate import KindFigures
from lab.evaluation.explanation_accuracy import AFTER, Explained
from schemas.events import Movement

MOVEMENT_TITLES = ("what truly happened", "", "ruptures", "named so", "named otherwise", "not clear")
_AFTER = ("at the first flag", "one rated session later", "two rated sessions later")


def explained_in(results: Sequence[KindFigures]) -> Explained:
    """Of all cohorts together."""
    total = Explained()
    for run in results:
        total.add(run.explained)
    return total


def movement_rows(results: Sequence[KindFigures]) -> list[tuple[str, ...]]:
    """Under `MOVEMENT_TITLES`, of 100: what was said of the kind of movement, and when."""
    total = explained_in(results)
    rows = []
    for true in Movement:
        for after, when in zip(AFTER, _AFTER, strict=True):
            named = total.of(true, after)
            count, right, unclear = named.total(), named[true.value], named[""]
            if count:
                shares = (right, count - right - unclear, unclear)
                rows.append((true.value, when, str(count), *(f"{100 * n / count:.0f}" for n in shares)))
    return rows
