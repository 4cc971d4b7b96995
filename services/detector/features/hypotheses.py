"""The filter's hypotheses about a session, and how they follow one another: settings in, tables out.

A session is *usual*, a *bad day* (low once, for reasons that are no rupture) or in a *rupture*: one of seven
patterns (which components fell) at one of several depths. A slow slide climbs the ladder of depths.
Components are rotated to channels: their level, bond against the others, and goal against task, whose noise
is nearly independent.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]

PATTERNS = ((1, 0, 0), (0, 1, 0), (0, 0, 1), (1, 1, 0), (1, 0, 1), (0, 1, 1), (1, 1, 1))
"""Which of bond, goal and task fell: one of them, two of them, all."""

ROTATION = np.array([[1 / 3, 1 / 3, 1 / 3], [1.0, -0.5, -0.5], [0.0, 1.0, -1.0]])
"""Channels from components."""
BACK = np.array([[1.0, 2 / 3, 0.0], [1.0, -1 / 3, 0.5], [1.0, -1 / 3, -0.5]])
"""Components from channels."""


@dataclass(frozen=True, slots=True)
class FilterSettings:
    """What the filter takes for granted; variances on the common scale 0 to 1, chances per session.

    The defaults come from a search for the best log loss of the filter's own odds on cohorts drawn from the
    training priors, as far as the whole model gained by it; what it takes for frequent stands in for what it
    does not model.
    """

    depths: tuple[float, ...] = (0.08, 0.18, 0.34)
    depth_shares: tuple[float, ...] = (0.36, 0.42, 0.22)
    pattern_shares: tuple[float, ...] = (0.06, 0.11, 0.11, 0.14, 0.14, 0.19, 0.25)
    onset: float = 0.076
    onset_first: float = 0.0006
    """At the first session a low mark is the client's level far more often than a rupture."""
    repair: float = 0.29
    climb: float = 0.06
    ease: float = 0.02
    bad_day: float = 0.05
    bad_day_pattern_shares: tuple[float, ...] = (0.05, 0.05, 0.05, 0.11, 0.11, 0.11, 0.52)
    outlier: float = 0.21
    outlier_spread: float = 8.0
    """An outlier's noise variance, in ordinary noise variances, beside the ordinary noise."""
    drift: float = 0.004
    """Rise of the level per session."""
    wander: tuple[float, float, float] = (4.2e-4, 1.2e-4, 1.2e-4)
    """Variance by which the baseline of each channel wanders per session."""
    usual: tuple[float, float, float] = (0.78, 0.03, -0.03)
    usual_variance: tuple[float, float, float] = (0.04, 0.016, 0.016)
    noise: float = 0.0034
    """Variance of the level's session noise before anything is known of a client."""
    contrast_noise: float = 0.0020
    """The same of one component against the others."""
    noise_weight: float = 2.0
    """How many sessions the prior noise counts for."""
    item_variance: float = 0.008
    item_weight: float = 12.0
    """How many items the prior item variance counts for."""
    declined_ratio: float = 1.7
    """P(declined | rupture) over P(declined | usual)."""
    given_ratio: float = 0.94


@dataclass(frozen=True, slots=True)
class HypothesisTables:
    """Settings unfolded over the hypotheses: usual, then patterns times depths, depth running fastest."""

    settings: FilterSettings
    depths: int
    shift: Floats
    """(3 channels, hypotheses): how far each channel lies under usual."""
    fall: Floats
    """(3 components, hypotheses): how far bond, goal and task lie under usual."""
    onset: Floats
    """(patterns x depths): P(which rupture | one begins)."""
    bad_day: Floats
    """(patterns x depths): P(which fall | bad day)."""
    stay: Floats
    """(patterns x depths): P(same pattern and depth at the next session)."""

    group_shift: Floats
    """(sizes x depths): how far the level lies under usual when one, two or three components fell."""

    @property
    def groups(self) -> int:
        """Sizes of patterns times depths."""
        return self.group_shift.size

    @property
    def hypotheses(self) -> int:
        """Usual, and each pattern at each depth."""
        return 1 + len(PATTERNS) * self.depths


def hypothesis_tables(settings: FilterSettings) -> HypothesisTables:
    """The tables of a filter."""
    depths = np.array(settings.depths)
    patterns = np.array(PATTERNS, dtype=np.float64)
    falls = patterns.T[:, :, None] * depths
    fall = np.concatenate([np.zeros((3, 1)), falls.reshape(3, -1)], axis=1)
    shift = np.einsum("kc,ch->kh", ROTATION, fall)
    depth_shares = np.array(settings.depth_shares)
    stay = np.full(depths.size, 1 - settings.repair - settings.climb - settings.ease)
    stay[-1] += settings.climb
    stay[0] += settings.ease
    return HypothesisTables(
        settings=settings,
        depths=depths.size,
        shift=np.ascontiguousarray(shift),
        fall=fall,
        onset=np.outer(settings.pattern_shares, depth_shares).ravel(),
        bad_day=np.outer(settings.bad_day_pattern_shares, depth_shares).ravel(),
        stay=np.tile(stay, len(PATTERNS)),
        group_shift=np.outer([1 / 3, 2 / 3, 1.0], depths).ravel(),
    )
