"""Plots one episode's trajectory as a PNG file: components, usual marks, flagged sessions."""

from collections.abc import Mapping, Sequence
from datetime import datetime
from pathlib import Path
from typing import Any

COLOURS = {"bond": "#1b6ca8", "goal": "#2f8f5b", "task": "#b26a00", "overall": "#777777"}


def plot_trajectory(trajectory: Sequence[Mapping[str, Any]], file: Path) -> None:
    """Write the PNG; marks are from 0 to 1, one point per session, in order."""
    import matplotlib as mpl

    mpl.use("Agg")
    from matplotlib import pyplot as plt

    days = [datetime.fromisoformat(point["session_at"]) for point in trajectory]
    figure, axes = plt.subplots(figsize=(8, 4), layout="constrained")
    for name, colour in COLOURS.items():
        marks = _values(trajectory, name)
        if marks is not None:
            axes.plot(days, marks, marker="o", color=colour, label=name)
    usual = _values(trajectory, "usual")
    if usual is not None:
        axes.plot(days, usual, linestyle="--", color="#444444", label="usual for this client")
    flagged = [day for day, point in zip(days, trajectory, strict=True) if point.get("flagged")]
    for number, day in enumerate(flagged):
        label = None if number else "to review"
        axes.axvline(day, color="#c0392b", alpha=0.25, linewidth=8, label=label)
    axes.set(ylim=(-0.02, 1.05), ylabel="mark, 0 to 1", title="The alliance as this client rated it")
    figure.legend(loc="outside right upper", fontsize="small")  # outside: inside it could cover marks
    figure.autofmt_xdate()
    figure.savefig(file, dpi=120)
    plt.close(figure)


def _values(trajectory: Sequence[Mapping[str, Any]], field: str) -> list[float] | None:
    """Return the field's values with NaN for missing ones; None when every value is missing."""
    values = [point.get(field) for point in trajectory]
    if all(value is None for value in values):
        return None
    return [float("nan") if value is None else value for value in values]
