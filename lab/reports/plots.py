"""Figures of many cohorts in, one picture (PNG) out: precision and recall, risk and truth, how late."""

from collections.abc import Sequence
from io import BytesIO

import numpy as np

from lab.evaluation.curves import RECALLS
from lab.evaluation.evaluate import KindFigures
from lab.evaluation.metrics import Caught

_LATEST = 6
_OWN = "#1b6ca8"


class NoPictures(RuntimeError):
    """matplotlib is not installed here."""


def draw(results: Sequence[KindFigures]) -> bytes:
    """The picture, as PNG.

    Raises:
        NoPictures: matplotlib is not installed here.
    """
    try:
        import matplotlib as mpl
    except ImportError:
        raise NoPictures("matplotlib is not installed here: no picture was drawn") from None
    mpl.use("Agg")
    from matplotlib import pyplot as plt

    figure, axes = plt.subplots(1, 3, figsize=(15, 4.6), layout="constrained")
    names = [results[0].model.name, *(rule.name for rule in results[0].rules)]
    for place, name in enumerate(names):
        ways = [(run.model, *run.rules)[place] for run in results]
        style = {"color": f"C{place}" if place else _OWN, "linewidth": 1 if place else 2.5}
        false = np.mean([way.false_per_100_stable for way in ways])
        axes[0].plot(RECALLS, np.mean([way.precision for way in ways], axis=0), label=name, **style)
        axes[2].plot(range(_LATEST + 1), _by_then([way.caught for way in ways]), **style)
        axes[2].lines[-1].set_label(f"{name}: {false:.1f} false")
    axes[0].set(xlabel="recall: sessions in a rupture that are flagged", ylabel="precision", xlim=(0, 1))
    axes[0].set_title("Precision and recall, mean over cohorts")
    risk, rupture, count = np.sum([run.reliability for run in results], axis=0).T
    some = count > 0
    axes[1].plot([0, 1], [0, 1], color="#999999", linestyle="--", linewidth=1)
    axes[1].plot(risk[some] / count[some], rupture[some] / count[some], color=_OWN, marker="o")
    axes[1].set(xlabel="risk that was said", ylabel="share truly in a rupture", xlim=(0, 1), ylim=(0, 1))
    axes[1].set_title("Reliability, all sessions")
    axes[2].set(
        xlabel="rated sessions after the first of the rupture", ylabel="share caught by then", ylim=(0, 1)
    )
    axes[2].set_title("Ruptures caught, each way at its usual cut")
    axes[0].legend(fontsize="small")
    axes[2].legend(fontsize="small", title="of 100 stable sessions", title_fontsize="small")
    image = BytesIO()
    figure.savefig(image, dpi=110, format="png")
    plt.close(figure)
    return image.getvalue()


def _by_then(caught: Sequence[Caught]) -> list[float]:
    ruptures = sum(one.ruptures for one in caught)
    delays = np.array([delay for one in caught for delay in one.sessions_until])
    return [float((delays <= until).sum()) / max(ruptures, 1) for until in range(_LATEST + 1)]
