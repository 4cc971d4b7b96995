"""Plots precision against recall, observed ruptures against risk, and detection by delay, as one PNG."""

from collections.abc import Sequence
from io import BytesIO
from types import ModuleType

import numpy as np

from lab.evaluation.curves import RECALLS
from lab.evaluation.evaluate import ScenarioFigures
from lab.evaluation.metrics import RuptureDetection

_MAX_DELAY = 6
"""Rated sessions."""
_RAPPORT_COLOUR = "#1b6ca8"


class MatplotlibMissing(RuntimeError):
    """matplotlib is not installed."""


def import_pyplot() -> ModuleType:
    """Return matplotlib's `pyplot`, which draws without a display.

    Raises:
        MatplotlibMissing: matplotlib is not installed.
    """
    try:
        import matplotlib as mpl
    except ImportError:
        raise MatplotlibMissing("matplotlib is not installed: no plot was made") from None
    mpl.use("Agg")
    from matplotlib import pyplot as plt

    pyplot: ModuleType = plt
    return pyplot


def plot_results(results: Sequence[ScenarioFigures]) -> bytes:
    """Return the plot as PNG.

    Raises:
        MatplotlibMissing: matplotlib is not installed.
    """
    plt = import_pyplot()
    figure, axes = plt.subplots(1, 3, figsize=(15, 4.6), layout="constrained")
    names = [results[0].model.name, *(rule.name for rule in results[0].rules)]
    for number, name in enumerate(names):
        ways = [(run.model, *run.rules)[number] for run in results]
        style = {"color": f"C{number}" if number else _RAPPORT_COLOUR, "linewidth": 1 if number else 2.5}
        false = np.mean([way.false_per_100_stable for way in ways])
        axes[0].plot(RECALLS, np.mean([way.precision for way in ways], axis=0), label=name, **style)
        axes[2].plot(range(_MAX_DELAY + 1), _detected_by([way.detection for way in ways]), **style)
        axes[2].lines[-1].set_label(f"{name}: {false:.1f} false")
    axes[0].set(xlabel="recall: sessions in a rupture that are flagged", ylabel="precision", xlim=(0, 1))
    axes[0].set_title("Precision and recall, mean over cohorts")
    risk, rupture, count = np.sum([run.reliability for run in results], axis=0).T
    filled = count > 0
    axes[1].plot([0, 1], [0, 1], color="#999999", linestyle="--", linewidth=1)
    axes[1].plot(
        risk[filled] / count[filled], rupture[filled] / count[filled], color=_RAPPORT_COLOUR, marker="o"
    )
    axes[1].set(xlabel="risk", ylabel="share of sessions in a rupture", xlim=(0, 1), ylim=(0, 1))
    axes[1].set_title("Reliability, all sessions")
    axes[2].set(
        xlabel="rated sessions after the first of the rupture", ylabel="share detected by then", ylim=(0, 1)
    )
    axes[2].set_title("Ruptures detected, each rule at its published cut")
    axes[0].legend(fontsize="small")
    axes[2].legend(fontsize="small", title="of 100 stable sessions", title_fontsize="small")
    image = BytesIO()
    figure.savefig(image, dpi=110, format="png")
    plt.close(figure)
    return image.getvalue()


def _detected_by(cohorts: Sequence[RuptureDetection]) -> list[float]:
    ruptures = sum(cohort.ruptures for cohort in cohorts)
    delays = np.array([delay for cohort in cohorts for delay in cohort.delays])
    return [float((delays <= delay).sum()) / max(ruptures, 1) for delay in range(_MAX_DELAY + 1)]
