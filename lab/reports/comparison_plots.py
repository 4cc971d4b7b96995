"""Plots a model beside the model before, per yardstick: precision, reliability, and the ratio by kind."""

from collections.abc import Sequence
from io import BytesIO
from typing import Any

import numpy as np

from lab.evaluation.curves import RECALLS
from lab.evaluation.paired_comparison import DetectorFigures, KindComparison, YardstickComparison
from lab.reports.html_page import Picture
from lab.reports.plots import import_pyplot

_COLOURS = ("#999999", "#1b6ca8")
_NAMED_KINDS = 20
"""Up to this number of kinds, each is named beside its ratio."""


def comparison_picture(comparison: YardstickComparison) -> Picture:
    """Return the picture of one yardstick.

    Raises:
        MatplotlibMissing: matplotlib is not installed.
    """
    plt = import_pyplot()
    figure, axes = plt.subplots(1, 3, figsize=(15, 4.8), layout="constrained")
    paired = comparison.others[0]
    for figures, colour in zip((comparison.before, paired.figures), _COLOURS, strict=True):
        axes[0].plot(RECALLS, figures.precision, color=colour, linewidth=2, label=figures.version)
        _plot_reliability(axes[1], figures, colour)
    axes[0].set(xlabel="recall", ylabel="precision", xlim=(0, 1), ylim=(0, 1))
    axes[0].set_title("Precision and recall, mean over practices")
    axes[0].legend(fontsize="small", title="grey: the model before", title_fontsize="small")
    axes[1].plot([0, 1], [0, 1], color="#cccccc", linestyle="--", linewidth=1)
    axes[1].set(xlabel="risk", ylabel="share of sessions in a rupture", xlim=(0, 1), ylim=(0, 1))
    axes[1].set_title("Calibration, all practices together")
    _plot_ratios(axes[2], paired.by_kind)
    figure.suptitle(comparison.yardstick)
    image = BytesIO()
    figure.savefig(image, dpi=100, format="png")
    plt.close(figure)
    alternative = (
        f"{comparison.yardstick}: precision and recall, calibration, and ratio to the model before by kind of"
        " practice; the table below holds the figures."
    )
    return Picture(alternative, image.getvalue())


def _plot_reliability(axes: Any, figures: DetectorFigures, colour: str) -> None:  # noqa: ANN401 - matplotlib has no types here
    risk, rupture, count = np.array(figures.reliability).T
    filled = count > 0
    axes.plot(risk[filled] / count[filled], rupture[filled] / count[filled], color=colour, marker="o")


def _plot_ratios(axes: Any, kinds: Sequence[KindComparison]) -> None:  # noqa: ANN401
    ordered = sorted(kinds, key=lambda kind: kind.ratio.value)
    places = range(len(ordered))
    axes.axvline(1, color="#cccccc", linestyle="--", linewidth=1)
    axes.errorbar(
        [kind.ratio.value for kind in ordered],
        places,
        xerr=np.nan_to_num([kind.ratio.standard_error for kind in ordered]),
        fmt="o",
        markersize=4,
        color=_COLOURS[1],
        elinewidth=1,
    )
    named = len(ordered) <= _NAMED_KINDS
    axes.set_yticks(list(places) if named else [], [kind.kind for kind in ordered] if named else [])
    axes.set(xlabel="AUPRC over that of the model before, ± standard error")
    axes.set_title("Ratio by kind of practice" if named else f"Ratio in each of {len(ordered)} practices")
