"""Names the kind of movement that led to a form: a slow slide, a sudden fall, a fall of everything, …

Courses that a fall may have taken, suddenly or slowly and since when, are fitted to the last levels of the
components that fell, each at the depth that fits best. A slide is named where the slow courses together fit
better than the sudden ones, a sudden fall where they fit clearly worse; in between the kind is not clear
(yet).
"""

from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from schemas.events import Movement, Status
from services.detector.features.hypotheses import COMPONENTS_FROM_CHANNELS
from services.detector.features.recent_forms import EARLIER_FORMS

Floats = NDArray[np.float64]

FORMS = EARLIER_FORMS + 1
_LONGEST_AGO = 6
"""The longest time since a fall began, in sessions."""
_SUDDEN = {1: 0.8, 2: 0.2}
_SLOW = {3: 0.25, 4: 0.25, 5: 0.25, 6: 0.25}
"""Sessions from the beginning of a fall to its full depth, and their probability (Gumz et al. 2012)."""
_BASELINE_FORMS = 2.0
"""Forms at the baseline that are added before all others."""
_DEPTH_VARIANCE = 0.06
"""Prior variance of a fall's depth: a fall deeper than is common fits less well."""
_TAIL = 6
"""Degrees of freedom of the residuals' Student distribution, so that one odd form carries little weight."""
_LEAST = 1e-30
_OWN_VARIANCE = 4e-4
"""Variance that no course follows, beside the noise of the session and of the form."""

EARLY = 3
"""With fewer rated forms there is no baseline yet, and a low level is all that can be named."""
_CLEAR_DROP = 0.1
_NO_DROP = 0.02
_NO_DROP_BEFORE = 0.03
"""A slide shows at the form before; a single step down, however small, is not a slide."""
_SLIDE_FROM, _SUDDEN_BELOW = -0.2, -0.4
"""Log-odds of slow against sudden above which a fall is named a slide, and below which it is named sudden.

These and `_ALL_FROM` were chosen on simulated cohorts for the share of each kind that is named correctly; see
docs/alerts.md.
"""
_ALL_FROM = 0.35
"""P(all three components fell | a rupture) from which a fall other than a slide is named as of everything."""


@dataclass(frozen=True, slots=True)
class RecentLevels:
    """The last marks of n dyads, and what is needed to read a fall from them."""

    recent: Floats
    """(n, FORMS * 3) bond, goal and task of the last forms, the newest first; 0 where there was none."""
    rated: Floats
    """(n,) rated forms up to and including this one."""
    baseline: Floats
    """(n, 3) of bond, goal and task before this form; NaN where it is not known."""
    expected_drop: Floats
    """(n, 3) of bond, goal and task."""
    observation_variance: Floats
    """(n, 3) of each channel."""


class _Courses(NamedTuple):
    sudden: int
    """Number of sudden courses; they come before the slow ones."""
    share: Floats
    """(courses, FORMS) the share of its present depth that a fall has at each form, the newest first."""
    probability: Floats
    """(courses,)"""
    mean_share: Floats
    """(FORMS + 1, courses) mean of `share` over that number of forms and the baseline forms before them."""
    squares: Floats
    """(FORMS + 1, courses) sum of squared deviations from that mean."""


def _make_courses() -> _Courses:
    courses = [
        (ago, length, probability)
        for lengths in (_SUDDEN, _SLOW)
        for ago in range(_LONGEST_AGO)
        for length, probability in lengths.items()
    ]
    forms_ago = np.arange(FORMS)
    share = np.array([np.clip((ago - forms_ago + 1) / length, 0.0, 1.0) for ago, length, _ in courses])
    none = np.zeros((1, len(courses)))
    total = np.concatenate([none, np.cumsum(share, axis=1).T])
    squares = np.concatenate([none, np.cumsum(share * share, axis=1).T])
    count = np.arange(FORMS + 1)[:, None] + _BASELINE_FORMS
    return _Courses(
        sudden=_LONGEST_AGO * len(_SUDDEN),
        share=share,
        probability=np.array([probability for _, _, probability in courses]),
        mean_share=total / count,
        squares=squares - total * total / count,
    )


_COURSES = _make_courses()


def below_baseline(levels: RecentLevels) -> tuple[Floats, Floats]:
    """Return how far each recent form is below the baseline, (n, FORMS), and the variance of that, (n,).

    The components are weighted by their expected drops.
    """
    total = levels.expected_drop.sum(axis=1, keepdims=True)
    weight = np.where(total > 0, levels.expected_drop / np.where(total > 0, total, 1.0), 1 / 3)
    exists = np.arange(FORMS) < levels.rated[:, None]
    gap = np.nan_to_num(levels.baseline[:, None] - levels.recent.reshape(-1, FORMS, 3))
    below = np.where(exists, (gap * weight[:, None]).sum(axis=2), 0.0)
    channels = np.einsum("nc,ck->nk", weight, COMPONENTS_FROM_CHANNELS)
    variance: Floats = (channels * channels * levels.observation_variance).sum(axis=1) + _OWN_VARIANCE
    return below, variance


def slide_log_odds(below: Floats, variance: Floats, rated: Floats) -> Floats:
    """Return the log-odds (n,) of a slow slide against a sudden fall; 0 where nothing fell.

    `below` and `variance` come from `below_baseline`; `rated` (n,) counts the forms so far.
    """
    log_odds = np.zeros(rated.size)
    fell = np.nonzero(below[:, 0] > _NO_DROP)[0]
    count = np.minimum(rated[fell], FORMS).astype(np.intp)
    log_odds[fell] = _slow_against_sudden(below[fell], variance[fell], count)
    return log_odds


def _slow_against_sudden(below: Floats, variance: Floats, count: NDArray[np.intp]) -> Floats:
    total = below.sum(axis=1)
    # Each course is fitted by least squares over a level of its own; the prior shrinks the depth to 0.
    along = np.einsum("nt,wt->nw", below, _COURSES.share) - total[:, None] * _COURSES.mean_share[count]
    scale = _COURSES.squares[count] + variance[:, None] / _DEPTH_VARIANCE
    explained = np.maximum(along, 0.0)
    explained *= explained
    explained /= scale
    squares = (below * below).sum(axis=1) - total * total / (count + _BASELINE_FORMS)
    residual = np.maximum(squares[:, None] - explained, 0.0) / variance[:, None]
    # Student likelihoods up to a factor; as their exponent is a whole number, a power is enough.
    likelihood = 1.0 / (1.0 + residual / _TAIL)
    likelihood /= likelihood.max(axis=1, keepdims=True)
    likelihood **= (_TAIL + FORMS) // 2
    likelihood *= _COURSES.probability
    sudden = likelihood[:, : _COURSES.sudden].sum(axis=1)
    slow = likelihood[:, _COURSES.sudden :].sum(axis=1)
    log_odds: Floats = np.log(np.maximum(slow, _LEAST) / np.maximum(sudden, _LEAST))
    return log_odds


class MovementInputs(NamedTuple):
    """The numbers of one form that name its movement."""

    status: Status
    rated: float
    """Rated forms up to and including this one."""
    below: float
    """How far the components that fell are below the baseline."""
    below_before: float
    """The same at the form before."""
    below_last: float
    """How far the level is below that of the form before."""
    all_fell: float
    """P(all three components fell | a rupture)."""
    slide_log_odds: float
    """Log-odds of a slow slide against a sudden fall."""


def movement(form: MovementInputs) -> Movement | None:
    """Return how the marks moved towards a form; None if they did not move down, or the kind is not clear.

    >>> movement(MovementInputs(Status.RATED, 6.0, 0.3, 0.0, 0.3, 0.1, -2.0))
    <Movement.SUDDEN_FALL: 'sudden-fall'>
    """
    if form.status is Status.DECLINED:
        return Movement.DECLINED_FORMS
    if form.rated < EARLY and not form.below_last >= _CLEAR_DROP:
        return Movement.LOW_FROM_START
    if not form.below > _NO_DROP:
        return None
    if form.slide_log_odds > _SLIDE_FROM and form.below_before > _NO_DROP_BEFORE:
        return Movement.SLOW_SLIDE
    if form.all_fell >= _ALL_FROM:
        return Movement.EVERYTHING
    return Movement.SUDDEN_FALL if form.slide_log_odds < _SUDDEN_BELOW else None
