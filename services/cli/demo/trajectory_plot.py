"""One episode's trajectory in, a picture file out: each component, what is usual, where it was flagged."""

from collections.abc import Mapping, Sequence
from datetime import datetime
from pathlib import Path
from typing import Any

COLOURS = {"bond": "#1b6ca8", "goal": "#2f8f5b", "task": "#b26a00", "overall": "#777777"}


def draw(trajectory: Sequence[Mapping[str, Any]], file: Path) -> None:
    """Write a PNG of the trajectory (marks from 0 to 1)."""
    import matplotlib as mpl

    mpl.use("Agg")
    from matplotlib import pyplot as plt

    days = [datetime.fromisoformat(point["session_at"]) for point in trajectory]
    figure, axes = plt.subplots(figsize=(8, 4), layout="constrained")
    for name, colour in COLOURS.items():
        marks = [point.get(name) for point in trajectory]
        if any(mark is not None for mark in marks):
            values = [float("nan") if mark is None else mark for mark in marks]
            axes.plot(days, values, marker="o", color=colour, label=name)
    usual = [point.get("usual") for point in trajectory]
    if any(value is not None for value in usual):
        values = [float("nan") if value is None else value for value in usual]
        axes.plot(days, values, linestyle="--", color="#444444", label="usual for this client")
    flagged = [day for day, point in zip(days, trajectory, strict=True) if point.get("flagged")]
    for place, day in enumerate(flagged):
        axes.axvline(day, color="#c0392b", alpha=0.25, linewidth=8, label=None if place else "to review")
    axes.set(ylim=(-0.02, 1.05), ylabel="mark, 0 to 1", title="The alliance as this client rated it")
    figure.legend(loc="outside right upper", fontsize="small")  # over no mark, wherever the marks lie
    figure.autofmt_xdate()
    figure.savefig(file, dpi=120)
    plt.close(figure)
