"""Learns a correction of the risk from therapists' answers, and measures whether it is better.

Old and new risks are compared on dyads that the correction has not seen: each fifth of the labelled dyads is
scored by a correction that was fitted to the other four (5-fold cross-validation).
"""

import hashlib
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from lab.practice_histories import PracticeHistories, SessionKey
from lab.product_path import AssessedDyad, assess_table
from lab.training.recalibration_fit import TherapistAnswers, fit_recalibration
from services.detector.domain.detector import Detector
from services.detector.domain.session_risk import may_flag
from services.detector.domain.thresholds import threshold_for_false_alarms
from services.detector.files.label_file import Label
from services.detector.model.recalibration import Recalibration, log_odds

Floats = NDArray[np.float64]
Bools = NDArray[np.bool_]

MIN_LABELS = 200
"""With fewer, the chance error of the correction is as large as what it corrects: see docs/learning.md."""
MIN_LABELS_OF_EACH = 30
"""Answers of one kind alone tell how often somebody clicks, not which risks were too high."""
MIN_THERAPISTS = 5
"""Fewer cannot outvote one who answers without looking."""
MAX_P_VALUE = 0.01
"""Answers are taken to be attentive when careless ones would follow the risk as closely this seldom."""
FOLDS = 5
_RESAMPLES = 2000
BUDGET_SHARE = 0.05
"""Share of the stable rated sessions that the candidate's threshold flags."""
MIN_SESSIONS = 400
"""With fewer rated sessions the threshold is only corrected like the risk: the same sessions stay flagged."""
THRESHOLD_BOUNDS = (0.02, 0.98)


class TooFewLabels(ValueError):
    """These labels cannot carry a correction; the message says what is missing, and why."""


@dataclass(frozen=True, slots=True)
class LabelledSessions:
    """n answers about sessions that are among the ratings."""

    answers: TherapistAnswers
    next_risk: Floats
    """(n,) the risk at the dyad's next rated session; NaN where there is none."""
    dyad: Sequence[str]
    """n names of dyads."""


@dataclass(frozen=True, slots=True)
class HeldOutFit:
    """How well risks fit the answers about held-out dyads."""

    log_loss: float
    brier: float
    mean_risk: float


@dataclass(frozen=True, slots=True)
class LabelCorrection:
    """A correction, and its comparison with the model it corrects."""

    recalibration: Recalibration
    threshold: float
    labels: int
    yes: int
    """Labels that say that there was a rupture."""
    therapists: int
    before: HeldOutFit
    after: HeldOutFit
    gain: tuple[float, float, float]
    """Decrease of the log loss: mean, and 5th and 95th percentile over bootstrap draws of dyads."""
    p_value: float
    """P(answers follow the risk as closely | they were given without looking)."""

    @property
    def is_attentive(self) -> bool:
        """The answers follow the risk, which a therapist who answers without looking does not know."""
        return self.p_value < MAX_P_VALUE

    @property
    def is_better(self) -> bool:
        """The answers are attentive, and the corrected risk fits them better on held-out dyads."""
        return self.is_attentive and self.gain[0] > 0


def match_labels(
    risks: Mapping[SessionKey, tuple[float, float]], labels: Sequence[Label]
) -> LabelledSessions:
    """Return the labels whose sessions are in `risks`, with each one's risk and next risk."""
    matched = [(label, *risks[key]) for label in labels if (key := label[:3]) in risks]
    return LabelledSessions(
        TherapistAnswers(
            np.array([risk for _, risk, _ in matched], dtype=np.float64),
            np.array([label.rupture for label, *_ in matched], dtype=np.bool_),
            [label.therapist_id for label, *_ in matched],
        ),
        np.array([next_risk for *_, next_risk in matched], dtype=np.float64),
        [f"{label.practice_id}\x1f{label.client_id}" for label, *_ in matched],
    )


def risks_with_next(dyad: AssessedDyad) -> Iterator[tuple[str, float, float]]:
    """Yield each session's id, its risk, and the risk at the next rated session (NaN where there is none).

    The newest session comes first.
    """
    next_risk = float("nan")
    for form, assessment in zip(reversed(dyad.forms), reversed(dyad.assessments), strict=True):
        yield str(form.order.session_id), assessment.risk, next_risk
        if form.answered:
            next_risk = assessment.risk


def learn(detector: Detector, histories: PracticeHistories, labels: Sequence[Label]) -> LabelCorrection:
    """Assess the ratings, fit a correction to the labels, and compare.

    Raises:
        TooFewLabels: too few labels, of one kind only, or of too few therapists.
    """
    dyads = assess_table(detector, histories)
    risks = {
        (history.practice_id, history.client_id, session): (risk, next_risk)
        for history, dyad in zip(histories.dyads, dyads, strict=True)
        for session, risk, next_risk in risks_with_next(dyad)
    }
    if not histories.name_practices:
        labels = [label._replace(practice_id="") for label in labels]
    return learn_from(match_labels(risks, labels), dyads, detector.threshold, share=BUDGET_SHARE)


def learn_from(
    labelled: LabelledSessions, dyads: Sequence[AssessedDyad], threshold: float, *, share: float
) -> LabelCorrection:
    """Fit a correction to labels whose risks are known, and compare.

    Args:
        labelled: the labels.
        dyads: all dyads of the practice, to choose the new threshold on.
        threshold: of the model in use.
        share: of stable rated sessions that may be flagged, 0 to 1.

    Raises:
        TooFewLabels: too few labels, of one kind only, or of too few therapists.
    """
    answers = labelled.answers
    check_enough(answers)
    fold = np.array(
        [int(hashlib.sha256(name.encode()).hexdigest()[:8], 16) % FOLDS for name in labelled.dyad]
    )
    corrected = answers.risk.copy()
    for number in range(FOLDS):
        held_out = fold == number
        training = TherapistAnswers(
            answers.risk[~held_out],
            answers.rupture[~held_out],
            [name for name, is_out in zip(answers.therapist, held_out, strict=True) if not is_out],
        )
        corrected[held_out] = fit_recalibration(training).apply(answers.risk[held_out])
    recalibration = fit_recalibration(answers)
    return LabelCorrection(
        recalibration=recalibration,
        threshold=_threshold(recalibration, dyads, threshold, share),
        labels=answers.rupture.size,
        yes=int(answers.rupture.sum()),
        therapists=len(set(answers.therapist)),
        before=_held_out_fit(answers.risk, answers.rupture),
        after=_held_out_fit(corrected, answers.rupture),
        gain=_gain(answers, corrected, labelled.dyad),
        p_value=_p_value(labelled),
    )


def check_enough(answers: TherapistAnswers) -> None:
    """Check that these answers can carry a correction.

    Raises:
        TooFewLabels: they cannot; the message says what is missing.
    """
    count, yes, therapists = answers.rupture.size, int(answers.rupture.sum()), len(set(answers.therapist))
    if count < MIN_LABELS:
        raise TooFewLabels(
            f"{count} answers belong to rated sessions, {MIN_LABELS} are needed: with fewer, the chance error"
            " is as large as what is to be corrected"
        )
    if min(yes, count - yes) < MIN_LABELS_OF_EACH:
        raise TooFewLabels(
            f"{yes} answers saw a rupture and {count - yes} saw none, {MIN_LABELS_OF_EACH} of each are"
            " needed: answers that are nearly all alike do not show which risks were wrong"
        )
    if therapists < MIN_THERAPISTS:
        raise TooFewLabels(
            f"the answers are of {therapists} therapists, {MIN_THERAPISTS} are needed: fewer cannot outvote"
            " one who answers without looking"
        )


def _losses(risk: Floats, rupture: Bools) -> Floats:
    loss: Floats = -np.log(np.clip(np.where(rupture, risk, 1 - risk), 1e-6, 1.0))
    return loss


def _held_out_fit(risk: Floats, rupture: Bools) -> HeldOutFit:
    return HeldOutFit(
        log_loss=float(_losses(risk, rupture).mean()),
        brier=float(((risk - rupture) ** 2).mean()),
        mean_risk=float(risk.mean()),
    )


def _gain(answers: TherapistAnswers, corrected: Floats, dyads: Sequence[str]) -> tuple[float, float, float]:
    gain = _losses(answers.risk, answers.rupture) - _losses(corrected, answers.rupture)
    _, owner = np.unique(np.asarray(dyads), return_inverse=True)
    count = int(owner.max()) + 1
    total, size = np.bincount(owner, gain, count), np.bincount(owner, minlength=count)
    drawn = np.random.default_rng(1).multinomial(count, np.full(count, 1 / count), size=_RESAMPLES)
    means = (drawn * total).sum(axis=1) / (drawn * size).sum(axis=1)
    low, high = np.quantile(means, [0.05, 0.95]).tolist()
    return float(gain.mean()), low, high


def _p_value(labelled: LabelledSessions) -> float:
    """Test by permutation, one-sided, whether the log-odds are higher where a rupture was seen.

    The log-odds at the next session are added: they tell much about whether there was a rupture, and no
    therapist knows them when answering.
    """
    following = log_odds(labelled.next_risk)
    known = ~np.isnan(following)
    evidence = log_odds(labelled.answers.risk) + np.where(
        known, following, following[known].mean() if known.any() else 0
    )
    rupture = labelled.answers.rupture
    observed, count = float(evidence[rupture].mean()), int(rupture.sum())
    rng = np.random.default_rng(2)
    permuted = [float(rng.permutation(evidence)[:count].mean()) for _ in range(_RESAMPLES)]
    return (1 + sum(mean >= observed for mean in permuted)) / (1 + _RESAMPLES)


def _threshold(
    recalibration: Recalibration, dyads: Sequence[AssessedDyad], before: float, share: float
) -> float:
    """Return the threshold for the budget over these ratings; with too few, the corrected old one."""
    flaggable: list[float] = []
    unflaggable: list[float] = []
    for dyad in dyads:
        for form, assessment in zip(dyad.forms, dyad.assessments, strict=True):
            if form.answered:
                (flaggable if may_flag(assessment) else unflaggable).append(assessment.risk)
    if len(flaggable) + len(unflaggable) < MIN_SESSIONS:
        threshold = float(recalibration.apply(np.array([before]))[0])
    else:
        threshold = threshold_for_false_alarms(
            recalibration.apply(np.array(flaggable)).tolist(),
            recalibration.apply(np.array(unflaggable)).tolist(),
            share,
        )
    lowest, highest = THRESHOLD_BOUNDS
    return round(min(max(threshold, lowest), highest), 6)
