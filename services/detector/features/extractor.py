"""Extracts the features of a form from a dyad's state, and folds the form into the state.

The features are a fold over the history: `state = extract(state, form).state`, for many dyads at once.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from services.detector.features import client_statistics, recent_forms
from services.detector.features.batch_sum import pairwise_sum
from services.detector.features.client_statistics import Statistics
from services.detector.features.filter_predict import Belief, channel_noise, initial_belief, predict
from services.detector.features.filter_update import Likelihood, form_likelihood, update
from services.detector.features.hypotheses import (
    COMPONENTS_FROM_CHANNELS,
    FilterSettings,
    HypothesisTables,
    hypothesis_tables,
)
from services.detector.features.monotone_evidence import baseline_level, rupture_evidence
from services.detector.features.observation import Observation, item_variance, observe
from services.detector.features.state_layout import StateLayout

Floats = NDArray[np.float64]

DIGITS = 6
"""Decimals of a feature, so that the last bits of another processor change no decision of the trees."""

# The names are stored in every model's manifest and must not change; "usual" in them is the baseline.
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
"""Features that never decrease when the whole form is lowered; the risk may only increase with them."""

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
"""Features of the forms before this one, or of its shape, which lowering all of it does not change."""

FEATURES = RISING + FREE
MONOTONE = (1,) * len(RISING) + (0,) * len(FREE)

_LEAST_CHANCE = 1e-9


@dataclass(frozen=True, slots=True)
class Extraction:
    """What one form of each of n dyads gives: the next state, the features, and numbers that explain them."""

    state: Floats
    """(n, width)"""
    features: Floats
    """(n, features) in the order of `FEATURES`, rounded; NaN where a feature is not known."""
    baseline: Floats
    """(n, 4) of bond, goal, task and overall before the form; NaN where no form was before."""
    expected_drop: Floats
    """(n, 3) of bond, goal and task, by the belief after the form."""
    all_fell: Floats
    """(n,) P(all three components fell | a rupture)."""
    below_last: Floats
    """(n,) how far the level is below the last one; NaN where either is missing."""
    recent: Floats
    """(n, `recent_forms.WIDTH` + 3) bond, goal and task of this form and the rated ones before it."""
    observation_variance: Floats
    """(n, 3) variance of each channel around the baseline in a stable session."""
    rated: Floats
    """(n,) rated forms up to and including this one."""


@dataclass(frozen=True, slots=True)
class _FilteredForm:
    """A form after the filter's prediction and update: the statistics and beliefs before and after it."""

    own: Statistics
    prior: Belief
    baseline: Floats
    """(3, n) of bond, goal and task."""
    items: Floats
    """(n,) variance of one item."""
    observation: Observation
    likelihood: Likelihood
    under: Floats
    """(n,) how far the level is below the baseline level, as far as the form shows it."""
    below: Floats
    """(n,) the same in standard deviations."""
    filtered: Belief
    posterior: Floats
    compared: Statistics
    recent: Floats
    earlier: Floats


class FeatureExtractor:
    """Computes features under one set of filter settings."""

    def __init__(self, settings: FilterSettings | None = None) -> None:
        self.names = FEATURES
        self.tables: HypothesisTables = hypothesis_tables(settings or FilterSettings())
        h = self.tables.hypotheses
        filter_widths = {"weight": h, "filter_mean": 3 * h, "variance": 3, "filter_noise": 3}
        widths = filter_widths | client_statistics.WIDTHS | {"earlier": recent_forms.WIDTH}
        self.layout = StateLayout(tuple(widths), tuple(widths.values()))

    def start(self, n: int) -> Floats:
        """Return the state (n, width) of n dyads without a form."""
        earlier = np.zeros((recent_forms.WIDTH, n))
        return self._join(initial_belief(self.tables, n), client_statistics.start(n), earlier)

    def is_new(self, state: Floats) -> NDArray[np.bool_]:
        """Return which states (n, width) are of dyads without a form, not even a declined one, shape (n,)."""
        own = self.layout.split(state)
        new: NDArray[np.bool_] = own["rated"][0] + own["declined"][0] == 0
        return new

    def update_state(self, state: Floats, forms: Floats) -> Floats:
        """Return the state (n, width) after a form whose features are not needed.

        It is that of `extract` except for the form's own log-odds, which the next `client_statistics.LAGS`
        forms read: call it only for forms that are further than that from one whose features are needed.
        """
        form = self._filter(state, forms)
        return self._next_state(form, np.zeros(state.shape[0]))

    def extract(self, state: Floats, forms: Floats) -> Extraction:
        """Extract the features of one form of each dyad, and return them with the state after it.

        Args:
            state: (n, width) from `start` or an earlier form.
            forms: (n, columns) of `FORM_COLUMNS`.
        """
        form = self._filter(state, forms)
        tables, own, prior, observation = self.tables, form.own, form.prior, form.observation
        log_odds, drop = rupture_evidence(tables, form.likelihood, form.below)
        before = pairwise_sum(prior.weight[1:])
        features = form.compared | {
            "odds": log_odds,
            "fall": drop,
            "below_usual": np.where(observation.rated, form.under, np.nan),
            "below_usual_in_deviations": np.where(observation.rated, form.below, np.nan),
            "odds_before": np.log(np.maximum(before, _LEAST_CHANCE) / np.maximum(1 - before, _LEAST_CHANCE)),
            "odds_last": own["log_odds"][0],
            "odds_second_last": own["log_odds"][1],
            "odds_third_last": own["log_odds"][2],
            "baseline": prior.mean[0, 0],
            "baseline_spread": np.sqrt(prior.variance[0]),
            "noise": np.sqrt(prior.noise[0]),
            "contrast_noise": np.sqrt(prior.noise[1]),
            "declined": observation.declined.astype(np.float64),
            "bond_contrast": observation.channels[1] - prior.mean[1, 0],
            "task_contrast": observation.channels[2] - prior.mean[2, 0],
            "spread": observation.spread,
            "straight_lined": observation.straight,
            "item_deviation": np.sqrt(form.items),
            "answered": observation.answered,
            "step": observation.step,
        }
        rupture = form.posterior[1 : tables.hypotheses]
        expected_drop = pairwise_sum(rupture[:, None] * tables.drop.T[1:, :, None])
        all_fell = pairwise_sum(rupture[-tables.depths :]) / np.maximum(pairwise_sum(rupture), _LEAST_CHANCE)
        variance = recent_forms.observation_variance(channel_noise(prior.noise), observation)
        return Extraction(
            state=self._next_state(form, log_odds),
            features=_rounded_columns([features[name] for name in FEATURES]),
            baseline=self._known_baseline(form.baseline, own),
            expected_drop=expected_drop.T,
            all_fell=all_fell,
            below_last=form.compared["below_last"],
            recent=form.recent.T,
            observation_variance=variance.T,
            rated=own["rated"][0] + observation.rated,
        )

    def _filter(self, state: Floats, forms: Floats) -> _FilteredForm:
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
        baseline = self._baseline(belief)
        items = item_variance(tables.settings, own["squares"][0], own["items"][0])
        observation = observe(forms, baseline, own["offset"][0], items)
        likelihood = form_likelihood(tables, prior, observation)
        centre, spread = baseline_level(likelihood)
        level = np.where(observation.rated, observation.channels[0], centre)
        # A form at the top only shows that the level is nowhere below it.
        under = np.where(observation.at_top, np.minimum(centre - level, 0.0), centre - level)
        filtered, posterior = update(tables, prior, observation, likelihood)
        return _FilteredForm(
            own=own,
            prior=prior,
            baseline=baseline,
            items=items,
            observation=observation,
            likelihood=likelihood,
            under=under,
            below=under / spread,
            filtered=filtered,
            posterior=posterior,
            compared=client_statistics.compare(own, observation, baseline),
            recent=recent_forms.with_form(parts["earlier"], observation, baseline),
            earlier=parts["earlier"],
        )

    def _next_state(self, form: _FilteredForm, log_odds: Floats) -> Floats:
        own = client_statistics.update(form.own, form.observation, form.compared, form.below, log_odds)
        earlier = recent_forms.next_earlier(form.earlier, form.recent, form.observation)
        return self._join(form.filtered, own, earlier)

    def _join(self, belief: Belief, own: Statistics, earlier: Floats) -> Floats:
        return self.layout.join(
            {
                "weight": belief.weight,
                "filter_mean": belief.mean,
                "variance": belief.variance,
                "filter_noise": belief.noise,
                "earlier": earlier,
            }
            | own
        )

    @staticmethod
    def _baseline(belief: Belief) -> Floats:
        """Return the baseline of bond, goal and task (3, n): each hypothesis's, weighted."""
        channels = pairwise_sum((belief.mean * belief.weight).swapaxes(0, 1))
        return pairwise_sum(COMPONENTS_FROM_CHANNELS.T[:, :, None] * channels[:, None])

    @staticmethod
    def _known_baseline(baseline: Floats, own: Statistics) -> Floats:
        """Return the baseline (n, 4) on the scale; NaN before the first form and for marks never given."""
        overall = pairwise_sum(baseline) / 3 + own["offset"][0]
        on_scale = np.clip(np.concatenate([baseline, overall[None]]), 0.0, 1.0)
        ever_marked = ~np.isnan(np.concatenate([own["component_ewma"], own["offset"]]))
        return np.where(ever_marked & (own["rated"] > 0), on_scale, np.nan).T


def _rounded_columns(columns: Sequence[Floats]) -> Floats:
    """Return a rounded table (n, columns) of columns (n,)."""
    table: Floats = np.concatenate(columns).reshape(len(columns), -1)
    return table.round(DIGITS, out=table).T
