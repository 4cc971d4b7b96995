"""Compares detectors with the model before on the same courses, with standard errors over clients."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from lab.evaluation.course_group import CourseTruth, GroupScores, score_group
from lab.evaluation.practice_measures import PracticeMeasures, measure_practice, own_false_alarms
from lab.evaluation.resampling import DRAWS, draw_weights
from lab.evaluation.yardsticks import Yardstick
from services.detector.domain.detector import Detector

Floats = NDArray[np.float64]
Bools = NDArray[np.bool_]

NEAR_PROMISED = (2.0, 8.0)
"""Observed false alarms per 100 stable sessions that keep the promise of 5."""
MODEL_BEFORE = Path(__file__).parent / "before"
"""The model that was shipped before the last change, kept so that a comparison can be repeated."""
_SEED = 90


@dataclass(frozen=True, slots=True)
class DetectorFigures:
    """What one detector reached on one yardstick."""

    version: str
    auprc: float
    """Mean over kinds of the mean over practices."""
    caught: float
    """The same of the share of ruptures caught within two rated sessions at 5 false alarms of 100."""
    own_false_alarms: float
    """Mean over halves of practices, per 100 stable rated sessions, at a threshold of the practice's own."""
    promise_kept: float
    """Share of halves of practices whose own false alarms are within `NEAR_PROMISED`."""
    calibration_error: float
    """Mean over practices."""
    worst_calibration_error: float
    worst_calibrated: str
    """The kind of the practice with the worst one."""
    precision: tuple[float, ...]
    """(20,) mean over practices, at `curves.RECALLS`."""
    reliability: tuple[tuple[float, ...], ...]
    """(13, 3) of `curves.risk_and_truth`, summed over practices."""


@dataclass(frozen=True, slots=True)
class Ratio:
    """A figure over that of the model before, and its bootstrap standard error over clients."""

    value: float
    standard_error: float


@dataclass(frozen=True, slots=True)
class KindComparison:
    """One kind of practice."""

    kind: str
    practices: int
    auprc_before: float
    auprc: float
    ratio: Ratio


@dataclass(frozen=True, slots=True)
class PairedFigures:
    """One detector beside the model before; both were measured on the same resamples of clients."""

    figures: DetectorFigures
    auprc: Ratio
    caught: Ratio
    by_kind: tuple[KindComparison, ...]
    """Without kinds that have no rupture at all."""

    @property
    def worst(self) -> KindComparison:
        """The kind with the lowest ratio."""
        return min(self.by_kind, key=lambda kind: kind.ratio.value)


@dataclass(frozen=True, slots=True)
class YardstickComparison:
    """All detectors on one yardstick."""

    yardstick: str
    practices: int
    one_practice: bool
    """They are parts of one practice."""
    clients: int
    """Each counted once however many courses are made from it."""
    sessions: int
    """Judged sessions: rated, and not the first rated one of their course."""
    ruptures: int
    """Ruptures with a judged session."""
    before: DetectorFigures
    others: tuple[PairedFigures, ...]


def compare(
    detectors: Sequence[Detector],
    yardsticks: Sequence[Yardstick],
    progress: Callable[[str], None] = lambda _: None,
    draws: int = DRAWS,
) -> list[YardstickComparison]:
    """Compare detectors on every yardstick.

    Args:
        detectors: the model before, then those that are compared with it.
        yardsticks: what to measure on.
        progress: gets the yardstick's name after each practice.
        draws: bootstrap draws of clients for the standard errors.
    """
    return [_on_yardstick(detectors, yardstick, progress, draws) for yardstick in yardsticks]


def _on_yardstick(
    detectors: Sequence[Detector], yardstick: Yardstick, progress: Callable[[str], None], draws: int
) -> YardstickComparison:
    kinds: list[str] = []
    measures: list[list[PracticeMeasures]] = [[] for _ in detectors]
    rates: list[list[float]] = [[] for _ in detectors]
    parts: list[list[tuple[CourseTruth, GroupScores]]] = [[] for _ in detectors]
    counts = np.zeros(3, dtype=np.int64)
    for number, group in enumerate(yardstick.groups()):
        truth = group.truth
        kinds.append(group.kind)
        counts += np.unique(truth.client).size, int(truth.judged.sum()), truth.judged_spans.shape[0]
        weights = draw_weights(np.random.default_rng([_SEED, number]), truth.client, draws)
        for position, detector in enumerate(detectors):
            scores = score_group(detector, group)
            measures[position].append(measure_practice(truth, scores, weights))
            parts[position].append((truth, scores))
            if number + 1 == yardstick.practices or not yardstick.one_practice:
                rates[position].extend(own_false_alarms(detector, parts[position]))
                parts[position].clear()
        progress(yardstick.name)
    figures = [
        _detector_figures(detector.version, kinds, own, own_rates)
        for detector, own, own_rates in zip(detectors, measures, rates, strict=True)
    ]
    clients, sessions, ruptures = counts.tolist()
    return YardstickComparison(
        yardstick=yardstick.name,
        practices=len(kinds),
        one_practice=yardstick.one_practice,
        clients=clients,
        sessions=sessions,
        ruptures=ruptures,
        before=figures[0],
        others=tuple(
            _paired(one, kinds, measures[0], own) for one, own in zip(figures[1:], measures[1:], strict=True)
        ),
    )


def _detector_figures(
    version: str, kinds: Sequence[str], measures: Sequence[PracticeMeasures], rates: Sequence[float]
) -> DetectorFigures:
    observed = np.array(rates)
    errors = np.array([one.calibration_error for one in measures])
    low, high = NEAR_PROMISED
    return DetectorFigures(
        version=version,
        auprc=float(_mean_of_kinds(_by_kind(kinds, [one.auprc[:1] for one in measures]))[0]),
        caught=float(_mean_of_kinds(_by_kind(kinds, [one.caught[:1] for one in measures]))[0]),
        own_false_alarms=float(mean_known(observed)),
        promise_kept=float(mean_known((observed >= low) & (observed <= high))),
        calibration_error=float(mean_known(errors)),
        worst_calibration_error=float(np.nan_to_num(errors).max()),
        worst_calibrated=kinds[int(np.nan_to_num(errors).argmax())],
        precision=tuple(mean_known(np.stack([one.precision for one in measures])).tolist()),
        reliability=tuple(map(tuple, np.sum([one.reliability for one in measures], axis=0).tolist())),
    )


def _paired(
    figures: DetectorFigures,
    kinds: Sequence[str],
    before: Sequence[PracticeMeasures],
    now: Sequence[PracticeMeasures],
) -> PairedFigures:
    areas = [_by_kind(kinds, [one.auprc for one in measures]) for measures in (before, now)]
    caught = [_by_kind(kinds, [one.caught for one in measures]) for measures in (before, now)]
    by_kind = tuple(
        KindComparison(kind, kinds.count(kind), float(first[0]), float(second[0]), _ratio(first, second))
        for (kind, first), second in zip(areas[0].items(), areas[1].values(), strict=True)
        if not np.isnan(first[0])
    )
    return PairedFigures(
        figures=figures,
        auprc=_ratio(*map(_mean_of_kinds, areas)),
        caught=_ratio(*map(_mean_of_kinds, caught)),
        by_kind=by_kind,
    )


def _by_kind(kinds: Sequence[str], values: Sequence[Floats]) -> dict[str, Floats]:
    """Return the mean over the practices of each kind, for the figure itself and for every draw."""
    members: dict[str, list[Floats]] = {}
    for kind, value in zip(kinds, values, strict=True):
        members.setdefault(kind, []).append(value)
    return {kind: mean_known(np.stack(own)) for kind, own in members.items()}


def _mean_of_kinds(by_kind: dict[str, Floats]) -> Floats:
    return mean_known(np.stack(list(by_kind.values())))


def mean_known(values: Floats | Bools) -> Floats:
    """Return the mean over the first axis of those values that are not NaN; NaN where all are."""
    known = ~np.isnan(values)
    total, count = np.asarray(np.where(known, values, 0.0).sum(axis=0)), np.asarray(known.sum(axis=0))
    mean: Floats = np.divide(total, count, out=np.full(total.shape, np.nan), where=count > 0)
    return mean


def _ratio(before: Floats, now: Floats) -> Ratio:
    ratios = np.divide(now, before, out=np.full(before.shape, np.nan), where=before > 0)
    drawn = ratios[1:][~np.isnan(ratios[1:])]
    return Ratio(float(ratios[0]), float(drawn.std(ddof=1)) if drawn.size > 1 else float("nan"))
