"""What the features found of forms in, the kind of movement towards each out.

Ways in which the marks may have fallen, suddenly or little by little and since when, are laid beside the last
levels of what fell, each at the depth that fits it best. A slide is named where the slow ways together fit
better than the sudden ones, a sudden fall where they fit clearly worse; in between it is not clear (yet).
"""

from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from schemas.events import Movement, Status
from services.detector.features.hypotheses import BACK
from services.detector.features.recent_forms import KEPT

Floats = NDArray[np.float64]

FORMS = KEPT + 1
_LONGEST_AGO = 6
"""Sessions since the fall began, at most."""
_SUDDEN = {1: 0.8, 2: 0.2}
_SLOW = {3: 0.25, 4: 0.25, 5: 0.25, 6: 0.25}
"""Sessions from the beginning of a fall to its full depth, and how frequent each is (Gumz 2012)."""
_BEFORE = 2.0
"""So many forms at what is usual are added before all others."""
_DEPTH_VARIANCE = 0.06
"""Of how deep falls are: a fall deeper than is common fits less well."""
_TAIL = 6
"""Degrees of freedom of what is left over: one odd form says little."""
_LEAST = 1e-30
_OWN_VARIANCE = 4e-4
"""What no way of falling follows, beside the noise of the session and of the form."""

EARLY = 3
"""With fewer rated forms nothing is usual yet, so a low level is all there is to say."""
_CLEAR_FALL = 0.1
_NO_FALL = 0.02
_NO_FALL_BEFORE = 0.03
"""A slide could be seen at the form before: a single step down, however small, is none."""
_SLID, _AT_ONCE = -0.2, -0.4
"""Log-odds of slow against sudden over which a fall is named a slide, and under which it is not.

Chosen, as `_ALL`, for the share named rightly of each kind on simulated cohorts: see docs/alerts.md.
"""
_ALL = 0.35
"""P(all three components fell | a rupture) from which a fall that is no slide is named as of everything."""


@dataclass(frozen=True, slots=True)
class RecentLevels:
    """What there is to see of n forms."""

    trail: Floats
    """(n, FORMS * 3) bond, goal and task of the last forms, the newest first; 0 where there was none."""
    rated: Floats
    """(n,) rated forms up to and with this one."""
    usual: Floats
    """(n, 3) usual bond, goal and task before this form; NaN where none is known."""
    fall: Floats
    """(n, 3) expected fall of each."""
    wobble: Floats
    """(n, 3) variance of each channel from one form to the next."""


class _Ways(NamedTuple):
    sudden: int
    """So many, before the slow ones."""
    share: Floats
    """(ways, FORMS) of its present depth that a fall has at each of the last forms, the newest first."""
    chance: Floats
    total: Floats
    """(FORMS + 1, ways) mean share over so many forms and those before."""
    squares: Floats
    """(FORMS + 1, ways) squared deviations from that mean, summed."""


def _ways() -> _Ways:
    every = [(ago, *way) for some in (_SUDDEN, _SLOW) for ago in range(_LONGEST_AGO) for way in some.items()]
    share = np.array([np.clip((ago - np.arange(FORMS) + 1) / length, 0.0, 1.0) for ago, length, _ in every])
    none = np.zeros((1, len(every)))
    first = np.concatenate([none, np.cumsum(share, axis=1).T])
    squares = np.concatenate([none, np.cumsum(share * share, axis=1).T])
    count = np.arange(FORMS + 1)[:, None] + _BEFORE
    return _Ways(
        sudden=_LONGEST_AGO * len(_SUDDEN),
        share=share,
        chance=np.array([chance for _, _, chance in every]),
        total=first / count,
        squares=squares - first * first / count,
    )


_WAYS = _ways()


def below_baseline(levels: RecentLevels) -> tuple[Floats, Floats]:
    """(n, FORMS) how far each of the last forms lies under usual in what fell; (n,) the variance of that."""
    total = levels.fall.sum(axis=1, keepdims=True)
    part = np.where(total > 0, levels.fall / np.where(total > 0, total, 1.0), 1 / 3)
    there = np.arange(FORMS) < levels.rated[:, None]
    gap = np.nan_to_num(levels.usual[:, None] - levels.trail.reshape(-1, FORMS, 3))
    below = np.where(there, (gap * part[:, None]).sum(axis=2), 0.0)
    channels = np.einsum("nc,ck->nk", part, BACK)
    variance: Floats = (channels * channels * levels.wobble).sum(axis=1) + _OWN_VARIANCE
    return below, variance


def slide_log_odds(below: Floats, variance: Floats, rated: Floats) -> Floats:
    """(n,) log-odds that what fell slid little by little, against that it fell at once; 0 where nothing fell.

    `below` and `variance` are of `below_usual`; `rated` (n,) are the forms so far.
    """
    odds = np.zeros(rated.size)
    fell = np.nonzero(below[:, 0] > _NO_FALL)[0]
    odds[fell] = _log_odds(below[fell], variance[fell], np.minimum(rated[fell], FORMS).astype(np.intp))
    return odds


def _log_odds(below: Floats, variance: Floats, count: NDArray[np.intp]) -> Floats:
    whole = below.sum(axis=1)
    # Least squares of each way over a level of its own; the depth is drawn to 0 by what is common.
    along = np.einsum("nt,wt->nw", below, _WAYS.share) - whole[:, None] * _WAYS.total[count]
    room = _WAYS.squares[count] + variance[:, None] / _DEPTH_VARIANCE
    explained = np.maximum(along, 0.0)
    explained *= explained
    explained /= room
    left = (below * below).sum(axis=1) - whole * whole / (count + _BEFORE)
    surprise = np.maximum(left[:, None] - explained, 0.0) / variance[:, None]
    # Of the likelihoods only the powers are needed: the tail's exponent is a whole number.
    fit = 1.0 / (1.0 + surprise / _TAIL)
    fit /= fit.max(axis=1, keepdims=True)
    fit **= (_TAIL + FORMS) // 2
    fit *= _WAYS.chance
    sudden, slow = fit[:, : _WAYS.sudden].sum(axis=1), fit[:, _WAYS.sudden :].sum(axis=1)
    odds: Floats = np.log(np.maximum(slow, _LEAST) / np.maximum(sudden, _LEAST))
    return odds


class MovementInputs(NamedTuple):
    """What `movement` looks at, of one form."""

    status: Status
    rated: float
    below: float
    """How far what fell lies under usual."""
    below_before: float
    """How far it lay under the same at the form before."""
    below_last: float
    everything: float
    slow: float
    """Log-odds of a slide against a sudden fall."""


def movement(form: MovementInputs) -> Movement | None:
    """How the marks moved towards a form; None when they did not move down, or how is not clear."""
    if form.status is Status.DECLINED:
        return Movement.DECLINED_FORMS
    if form.rated < EARLY and not form.below_last >= _CLEAR_FALL:
        return Movement.LOW_FROM_START
    if not form.below > _NO_FALL:
        return None
    if form.slow > _SLID and form.below_before > _NO_FALL_BEFORE:
        return Movement.SLOW_SLIDE
    if form.everything >= _ALL:
        return Movement.EVERYTHING
    return Movement.SUDDEN_FALL if form.slow < _AT_ONCE else None
