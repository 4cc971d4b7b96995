"""A practice's ratings and its therapists' answers in, a corrected risk and whether it is better out.

Old and new are compared on dyads that the new one has not seen: each fifth of the labelled dyads is judged by
a correction fitted to the other four.
"""

import hashlib
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from lab.evaluation.practice_ratings import Forms
from lab.product_path import Judged, judge
from services.detector.domain.detector import Detector
from services.detector.domain.episodes import may_flag
from services.detector.domain.thresholds import threshold_for_false_alarms
from services.detector.files.label_file import Label
from services.detector.model.recalibration import Recalibration, Said, log_odds, recalibrate

Floats = NDArray[np.float64]
Bools = NDArray[np.bool_]

LEAST_LABELS = 200
"""With fewer, the chance error of the correction is as large as what it corrects: see docs/learning.md."""
LEAST_OF_EACH = 30
"""Answers of one kind alone say how often somebody clicks, not which risks were too high."""
LEAST_THERAPISTS = 5
"""Fewer cannot outvote one who answers without looking."""
BY_CHANCE = 0.01
"""Answers that go with the risk no closer than those of one in a hundred careless caseloads teach nothing."""
FOLDS = 5
_DRAWS = 2000
BUDGET_SHARE = 0.05
"""Of the stable rated sessions, flagged at the candidate's threshold."""
LEAST_SESSIONS = 400
"""With fewer rated sessions the threshold only moves with the risk: the same sessions stay flagged."""


class NotEnough(ValueError):
    """Nothing may be learned from these labels; the message says what is missing, and why."""


@dataclass(frozen=True, slots=True)
class Labelled:
    """Answers that were found among the ratings, and the dyad of each."""

    said: Said
    later: Floats
    """(n,) the risk at the dyad's next rated session; NaN where there is none."""
    dyad: Sequence[str]


@dataclass(frozen=True, slots=True)
class OnHeldOut:
    """How well risks fit the answers about held-out dyads."""

    log_loss: float
    brier: float
    mean_risk: float


@dataclass(frozen=True, slots=True)
class Learned:
    """What came out, and how it does beside what was there."""

    recalibration: Recalibration
    threshold: float
    labels: int
    yes: int
    """Labels that say that there was a rupture."""
    therapists: int
    before: OnHeldOut
    after: OnHeldOut
    gain: tuple[float, float, float]
    """Fall of the log loss: mean, and 5th and 95th percentile over dyads drawn anew."""
    by_chance: float
    """P(answers go with the risk as closely, were they given without looking)."""

    @property
    def is_looked_at(self) -> bool:
        """The answers go with the risk: who answers without looking does not know it."""
        return self.by_chance < BY_CHANCE

    @property
    def is_better(self) -> bool:
        """Attentive answers, which the corrected risk fits better on dyads that it has not seen."""
        return self.is_looked_at and self.gain[0] > 0


Key = tuple[str, str, str]
"""Practice, client and session."""


def find_labelled(risks: Mapping[Key, tuple[float, float]], labels: Sequence[Label]) -> Labelled:
    """The labels whose sessions are known; `risks` has each one's risk and that of the next rated session."""
    found = [(label, *risks[key]) for label in labels if (key := label[:3]) in risks]
    return Labelled(
        Said(
            np.array([risk for _, risk, _ in found], dtype=np.float64),
            np.array([label.rupture for label, *_ in found], dtype=np.bool_),
            [label.therapist_id for label, *_ in found],
        ),
        np.array([later for *_, later in found], dtype=np.float64),
        [f"{label.practice_id}\x1f{label.client_id}" for label, *_ in found],
    )


def with_later(one: Judged) -> Iterator[tuple[str, float, float]]:
    """Each session of a dyad: its id, its risk, and the risk at the next rated one (NaN: none)."""
    later = float("nan")
    for form, found in zip(reversed(one.forms), reversed(one.found), strict=True):
        yield str(form.order.session_id), found.risk, later
        if form.answered:
            later = found.risk


def learn(detector: Detector, forms: Forms, labels: Sequence[Label]) -> Learned:
    """Score the ratings, fit a correction to the labels, and compare.

    Raises:
        NotEnough: too few labels, of one kind only, or of too few therapists.
    """
    keys = list(forms.histories)
    judged = judge(detector, [forms.histories[key] for key in keys])
    named = any(practice for practice, *_ in keys)
    risks = {
        (practice, client, session): (risk, later)
        for (practice, _, client, _), one in zip(keys, judged, strict=True)
        for session, risk, later in with_later(one)
    }
    wanted = labels if named else [label._replace(practice_id="") for label in labels]
    return learn_from(find_labelled(risks, wanted), judged, detector.threshold, share=BUDGET_SHARE)


def learn_from(labelled: Labelled, judged: Sequence[Judged], threshold: float, *, share: float) -> Learned:
    """The same of risks that are known already; `share` of stable sessions may be flagged.

    Raises:
        NotEnough: too few labels, of one kind only, or of too few therapists.
    """
    said = labelled.said
    check_enough(said)
    fold = np.array(
        [int(hashlib.sha256(name.encode()).hexdigest()[:8], 16) % FOLDS for name in labelled.dyad]
    )
    corrected = said.risk.copy()
    for number in range(FOLDS):
        held = fold == number
        others = Said(
            said.risk[~held],
            said.rupture[~held],
            [who for who, out in zip(said.therapist, held, strict=True) if not out],
        )
        corrected[held] = recalibrate(others).of(said.risk[held])
    final = recalibrate(said)
    return Learned(
        recalibration=final,
        threshold=_threshold(final, judged, threshold, share),
        labels=said.rupture.size,
        yes=int(said.rupture.sum()),
        therapists=len(set(said.therapist)),
        before=_on_held_out(said.risk, said.rupture),
        after=_on_held_out(corrected, said.rupture),
        gain=_gain(said, corrected, labelled.dyad),
        by_chance=_by_chance(labelled),
    )


def check_enough(said: Said) -> None:
    """See that these labels can carry a correction.

    Raises:
        NotEnough: they cannot; says what is missing.
    """
    count, yes, who = said.rupture.size, int(said.rupture.sum()), len(set(said.therapist))
    if count < LEAST_LABELS:
        raise NotEnough(
            f"{count} answers belong to rated sessions, {LEAST_LABELS} are needed: with fewer, chance moves"
            " the risk as far as what is to be corrected"
        )
    if min(yes, count - yes) < LEAST_OF_EACH:
        raise NotEnough(
            f"{yes} answers saw a rupture and {count - yes} saw none, {LEAST_OF_EACH} of each are needed:"
            " answers that are all alike do not say which risks were wrong"
        )
    if who < LEAST_THERAPISTS:
        raise NotEnough(
            f"the answers are of {who} therapists, {LEAST_THERAPISTS} are needed: fewer cannot outvote one"
            " who answers without looking"
        )


def _losses(risk: Floats, rupture: Bools) -> Floats:
    loss: Floats = -np.log(np.clip(np.where(rupture, risk, 1 - risk), 1e-6, 1.0))
    return loss


def _on_held_out(risk: Floats, rupture: Bools) -> OnHeldOut:
    return OnHeldOut(
        log_loss=float(_losses(risk, rupture).mean()),
        brier=float(((risk - rupture) ** 2).mean()),
        mean_risk=float(risk.mean()),
    )


def _gain(said: Said, corrected: Floats, dyads: Sequence[str]) -> tuple[float, float, float]:
    gain = _losses(said.risk, said.rupture) - _losses(corrected, said.rupture)
    _, owner = np.unique(np.asarray(dyads), return_inverse=True)
    count = int(owner.max()) + 1
    total, size = np.bincount(owner, gain, count), np.bincount(owner, minlength=count)
    drawn = np.random.default_rng(1).multinomial(count, np.full(count, 1 / count), size=_DRAWS)
    means = (drawn * total).sum(axis=1) / (drawn * size).sum(axis=1)
    low, high = np.quantile(means, [0.05, 0.95]).tolist()
    return float(gain.mean()), low, high


def _by_chance(labelled: Labelled) -> float:
    """One-sided permutation test: are log odds, then and at the next session, higher where one was seen?

    The session after tells much of whether it was a rupture, and nobody who answers knows it yet.
    """
    later = log_odds(labelled.later)
    known = ~np.isnan(later)
    evidence = log_odds(labelled.said.risk) + np.where(
        known, later, later[known].mean() if known.any() else 0
    )
    rupture = labelled.said.rupture
    seen, count = float(evidence[rupture].mean()), int(rupture.sum())
    rng = np.random.default_rng(2)
    drawn = [float(rng.permutation(evidence)[:count].mean()) for _ in range(_DRAWS)]
    return (1 + sum(one >= seen for one in drawn)) / (1 + _DRAWS)


def _threshold(final: Recalibration, judged: Sequence[Judged], before: float, share: float) -> float:
    """For the budget over these ratings; with too few, where the old one comes to lie."""
    able: list[float] = []
    never: list[float] = []
    for one in judged:
        for form, found in zip(one.forms, one.found, strict=True):
            if form.answered:
                (able if may_flag(found) else never).append(found.risk)
    if len(able) + len(never) < LEAST_SESSIONS:
        moved = float(final.of(np.array([before]))[0])
    else:
        flaggable, unflaggable = (final.of(np.array(some)).tolist() for some in (able, never))
        moved = threshold_for_false_alarms(flaggable, unflaggable, share)
    return round(min(max(moved, 0.02), 0.98), 6)
