"""A dyad's state and its next form in; features, findings that explain them, and the state after it out.

The features are a fold over the history: `state = step(state, form).state`, for many dyads at once.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from services.detector.features import client_statistics, recent_forms
from services.detector.features.batch_sum import pairwise_sum
from services.detector.features.filter_predict import Belief, channel_noise, predict
from services.detector.features.filter_predict import start as no_belief
from services.detector.features.filter_update import Likelihood, form_likelihood, update
from services.detector.features.hypotheses import BACK, FilterSettings, HypothesisTables, hypothesis_tables
from services.detector.features.monotone_evidence import baseline_level, rupture_evidence
from services.detector.features.observation import Observation, item_variance, observe
from services.detector.features.state_layout import StateLayout

Floats = NDArray[np.float64]

DIGITS = 6
"""Features are rounded before the trees, so that another processor's last bits move nothing."""

RISING = (
    "odds",
    "fall",
    "below_usual",
    "below_usual_in_deviations",
    "below_mean",
    "below_mean_in_spreads",
    "below_last",
    "below_before_last",
    "below_best",
    "below_top",
    "below_all_top",
    "below_mean_fast",
    "below_mean_slow",
    "below_cusum",
    "below_usual_bond",
    "below_usual_goal",
    "below_usual_task",
    "below_usual_worst",
    "below_usual_smoothed",
    "below_usual_overall",
)
"""Features that never fall when the whole form falls; the model may only rise with them."""

FREE = (
    "odds_before",
    "odds_last",
    "odds_second_last",
    "odds_third_last",
    "baseline",
    "baseline_spread",
    "noise",
    "contrast_noise",
    "own_spread",
    "mean_before",
    "last_below_mean",
    "ewma_below_mean",
    "cusum_before",
    "best_above_mean",
    "carry",
    "moves_in_spreads",
    "rated_before",
    "declined_before",
    "declined_in_row",
    "declined",
    "bond_contrast",
    "task_contrast",
    "spread",
    "straight_lined",
    "item_deviation",
    "answered",
    "step",
)
"""Features that rest on the forms before this one, or on its shape, which lowering all of it leaves alone."""

FEATURES = RISING + FREE
MONOTONE = (1,) * len(RISING) + (0,) * len(FREE)

_LEAST_CHANCE = 1e-9


@dataclass(frozen=True, slots=True)
class Step:
    """What one form of each of n dyads gave."""

    state: Floats
    """(n, width)"""
    features: Floats
    """(n, features) in the order of `FEATURES`, rounded; NaN where nothing is known."""
    usual: Floats
    """(n, 4) usual bond, goal, task, overall before the form; NaN where no form was before."""
    fall: Floats
    """(n, 3) expected fall of bond, goal, task, by the belief after the form."""
    everything: Floats
    """(n,) P(all three components fell | a rupture)."""
    below_last: Floats
    """(n,) how far the level lies under the last one; NaN where either is missing."""
    trail: Floats
    """(n, `recent_forms.WIDTH` + 3) bond, goal and task of this form and the rated ones before it."""
    wobble: Floats
    """(n, 3) variance of each channel from one form to the next."""
    rated: Floats
    """(n,) rated forms up to and with this one."""


@dataclass(frozen=True, slots=True)
class _Taken:
    """A form taken in: what there was, what was seen of it, and what is believed after."""

    own: client_statistics.Parts
    prior: Belief
    usual: Floats
    items: Floats
    seen: Observation
    fit: Likelihood
    under: Floats
    """(n,) how far the level lies under the usual one, as far as the form can say."""
    below: Floats
    """(n,) the same in deviations."""
    after: Belief
    posterior: Floats
    compared: client_statistics.Parts
    trail: Floats
    trail_before: Floats


class FeatureExtractor:
    """The features of one set of settings."""

    def __init__(self, settings: FilterSettings | None = None) -> None:
        self.names = FEATURES
        self.tables: HypothesisTables = hypothesis_tables(settings or FilterSettings())
        h = self.tables.hypotheses
        filtered = {"weight": h, "filter_mean": 3 * h, "variance": 3, "filter_noise": 3}
        widths = filtered | client_statistics.WIDTHS | {"trail": recent_forms.WIDTH}
        self.layout = StateLayout(tuple(widths), tuple(widths.values()))

    def start(self, n: int) -> Floats:
        """(n, width) the state of n dyads without a form."""
        belief = no_belief(self.tables, n)
        return self._join(belief, client_statistics.start(n) | {"trail": np.zeros((recent_forms.WIDTH, n))})

    def _join(self, belief: Belief, own: client_statistics.Parts) -> Floats:
        return self.layout.join(
            {
                "weight": belief.weight,
                "filter_mean": belief.mean,
                "variance": belief.variance,
                "filter_noise": belief.noise,
            }
            | own
        )

    def pass_over(self, state: Floats, forms: Floats) -> Floats:
        """(n, width) the state after a form of which nothing is to be said.

        It is that of `step` but for the form's own odds, which only the next `client_statistics.LAGS` forms
        see: pass over no form that lies closer to one of which something is to be said.
        """
        taken = self._take(state, forms)
        return self._after(taken, np.zeros(state.shape[0]))

    def step(self, state: Floats, forms: Floats) -> Step:
        """Take one form of each dyad in.

        Args:
            state: (n, width) from `start` or an earlier step.
            forms: (n, columns) of `history.COLUMNS`.
        """
        taken = self._take(state, forms)
        tables, own, prior, seen = self.tables, taken.own, taken.prior, taken.seen
        odds, fall = rupture_evidence(tables, taken.fit, taken.below)
        before = pairwise_sum(prior.weight[1:])
        found = taken.compared | {
            "odds": odds,
            "fall": fall,
            "below_usual": np.where(seen.rated, taken.under, np.nan),
            "below_usual_in_deviations": np.where(seen.rated, taken.below, np.nan),
            "odds_before": np.log(np.maximum(before, _LEAST_CHANCE) / np.maximum(1 - before, _LEAST_CHANCE)),
            "odds_last": own["odds"][0],
            "odds_second_last": own["odds"][1],
            "odds_third_last": own["odds"][2],
            "baseline": prior.mean[0, 0],
            "baseline_spread": np.sqrt(prior.variance[0]),
            "noise": np.sqrt(prior.noise[0]),
            "contrast_noise": np.sqrt(prior.noise[1]),
            "declined": seen.declined.astype(np.float64),
            "bond_contrast": seen.channels[1] - prior.mean[1, 0],
            "task_contrast": seen.channels[2] - prior.mean[2, 0],
            "spread": seen.spread,
            "straight_lined": seen.straight,
            "item_deviation": np.sqrt(taken.items),
            "answered": seen.answered,
            "step": seen.step,
        }
        rupture = taken.posterior[1 : tables.hypotheses]
        expected_fall = pairwise_sum(rupture[:, None] * tables.fall.T[1:, :, None])
        whole = pairwise_sum(rupture[-tables.depths :]) / np.maximum(pairwise_sum(rupture), _LEAST_CHANCE)
        return Step(
            state=self._after(taken, odds),
            features=_together([found[name] for name in FEATURES]),
            usual=self._shown_usual(taken.usual, own),
            fall=expected_fall.T,
            everything=whole,
            below_last=taken.compared["below_last"],
            trail=taken.trail.T,
            wobble=recent_forms.wobble(channel_noise(prior.noise), seen).T,
            rated=own["rated"][0] + seen.rated,
        )

    def _take(self, state: Floats, forms: Floats) -> _Taken:
        n = state.shape[0]
        tables = self.tables
        parts = self.layout.split(state)
        own = {name: parts[name] for name in client_statistics.WIDTHS}
        belief = Belief(
            parts["weight"],
            parts["filter_mean"].reshape(3, tables.hypotheses, n),
            parts["variance"],
            parts["filter_noise"],
        )
        first = (own["rated"][0] + own["declined"][0]) == 0
        prior = predict(tables, belief, first)
        usual = self._usual(belief)
        items = item_variance(tables.settings, own["squares"][0], own["items"][0])
        seen = observe(forms, usual, own["offset"][0], items)
        fit = form_likelihood(tables, prior, seen)
        centre, spread = baseline_level(fit)
        level = np.where(seen.rated, seen.channels[0], centre)
        # All that a form at the top says is that the level is nowhere below it.
        under = np.where(seen.at_top, np.minimum(centre - level, 0.0), centre - level)
        after, posterior = update(tables, prior, seen, fit)
        return _Taken(
            own=own,
            prior=prior,
            usual=usual,
            items=items,
            seen=seen,
            fit=fit,
            under=under,
            below=under / spread,
            after=after,
            posterior=posterior,
            compared=client_statistics.compare(own, seen, usual),
            trail=recent_forms.with_form(parts["trail"], seen, usual),
            trail_before=parts["trail"],
        )

    def _after(self, taken: _Taken, odds: Floats) -> Floats:
        now = client_statistics.record(taken.own, taken.seen, taken.compared, taken.below, odds)
        kept = {"trail": recent_forms.kept(taken.trail_before, taken.trail, taken.seen)}
        return self._join(taken.after, now | kept)

    @staticmethod
    def _usual(belief: Belief) -> Floats:
        """(3, n) usual bond, goal, task: each hypothesis's baseline, weighted."""
        channels = pairwise_sum((belief.mean * belief.weight).swapaxes(0, 1))
        return pairwise_sum(BACK.T[:, :, None] * channels[:, None])

    @staticmethod
    def _shown_usual(usual: Floats, own: client_statistics.Parts) -> Floats:
        """(n, 4) as told: nothing is usual before the first form, or for a mark that never came."""
        overall = pairwise_sum(usual) / 3 + own["offset"][0]
        told = np.clip(np.concatenate([usual, overall[None]]), 0.0, 1.0)
        seen_before = ~np.isnan(np.concatenate([own["component_ewma"], own["offset"]]))
        return np.where(seen_before & (own["rated"] > 0), told, np.nan).T


def _together(columns: Sequence[Floats]) -> Floats:
    """(n, columns) of columns (n,), rounded."""
    table: Floats = np.concatenate(columns).reshape(len(columns), -1)
    return table.round(DIGITS, out=table).T
