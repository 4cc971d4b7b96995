"""The filter agrees with brute force: every explanation and every sequence of hypotheses, one by one."""

import math
from dataclasses import replace
from itertools import product

import numpy as np
import pytest
from numpy.typing import NDArray

from services.detector.domain.form import FORM_COLUMNS, form_matrix
from services.detector.features.extractor import FeatureExtractor
from services.detector.features.filter_predict import initial_belief, predict
from services.detector.features.filter_update import form_likelihood, update
from services.detector.features.hypotheses import FilterSettings, hypothesis_tables
from services.detector.features.observation import observe, straight_lined
from tests.support.detector.forms import declined, form, level_forms

Floats = NDArray[np.float64]

# One depth, no bad days, no outliers, known noise: only the sequence of hypotheses is uncertain.
PLAIN = replace(
    FilterSettings(),
    depths=(0.3,),
    depth_shares=(1.0,),
    bad_day=1e-12,
    outlier=1e-12,
    noise_weight=1e12,
    item_weight=1e12,
    deepen=0.0,
    ease=0.0,
    onset=0.045,
    onset_first=0.004,
    repair=0.22,
    baseline_walk=(1.6e-4, 1.0e-4, 1.0e-4),
    baseline_variance=(0.02, 0.008, 0.008),
    noise=0.0026,
)


def _normal(x: float, mean: float, variance: float) -> float:
    return math.exp(-0.5 * (x - mean) ** 2 / variance) / math.sqrt(2 * math.pi * variance)


def _filtered(settings: FilterSettings, levels: list[float]) -> list[float]:
    """Return P(rupture) after each form, by the filter."""
    tables = hypothesis_tables(settings)
    belief = initial_belief(tables, 1)
    out = []
    for number, row in enumerate(form_matrix(level_forms(levels))):
        prior = predict(tables, belief, np.array([number == 0]))
        item_var = np.array([settings.item_variance])
        observation = observe(row[None], np.full((3, 1), 0.78), np.array([np.nan]), item_var)
        belief, _ = update(tables, prior, observation, form_likelihood(tables, prior, observation))
        out.append(1 - float(belief.weight[0, 0]))
    return out


def _by_enumeration(settings: FilterSettings, levels: list[float]) -> list[float]:
    """Return P(rupture) after each form, by a Kalman filter along every possible sequence of hypotheses."""
    tables = hypothesis_tables(settings)
    per_item = settings.item_variance + 0.25**2 / 12
    measured = np.array([per_item, 4.5 * per_item, 6.0 * per_item]) / 12
    noise = np.array([settings.noise, 1.5 * settings.contrast_noise, 2.0 * settings.contrast_noise])
    out = []
    for last in range(1, len(levels) + 1):
        chance = [0.0, 0.0]
        for sequence in product(range(tables.hypotheses), repeat=last):
            weight, before = 1.0, 0
            mean, spread = np.array(settings.baseline_mean), np.array(settings.baseline_variance)
            for t, now in enumerate(sequence):
                onset = settings.onset_first if t == 0 else settings.onset
                weight *= _transition(settings, tables.onset, onset, before, now)
                if weight == 0:
                    break
                weight *= settings.given_ratio if now else 1.0
                for channel in range(3):
                    m = mean[channel] + (settings.drift if channel == 0 else 0.0)
                    p = spread[channel] + settings.baseline_walk[channel]
                    variance = float(p + noise[channel] + measured[channel])
                    seen = levels[t] if channel == 0 else 0.0
                    gap = float(seen - (m - tables.shift[channel, now]))
                    weight *= _normal(gap, 0.0, variance)
                    gain = p / variance
                    mean[channel] = m + gain * gap
                    spread[channel] = p - gain * p
                before = now
            chance[int(sequence[-1] > 0)] += weight
        out.append(chance[1] / (chance[0] + chance[1]))
    return out


def _transition(settings: FilterSettings, onsets: Floats, onset: float, before: int, now: int) -> float:
    if before == 0:
        return onset * float(onsets[now - 1]) if now else 1 - onset
    if now == 0:
        return settings.repair
    return 1 - settings.repair if now == before else 0.0


@pytest.mark.parametrize(
    "levels",
    [[0.8, 0.79, 0.45], [0.8, 0.6, 0.52], [0.4, 0.42, 0.71], [0.8, 0.82, 0.7]],
    ids=["a clear fall", "two falls", "low from the start", "a small fall"],
)
def test_the_filter_agrees_with_enumerating_all_sequences_of_hypotheses(levels: list[float]) -> None:
    # The filter merges sequences by hypothesis after every form: exact except where two are about as likely.
    expected = _by_enumeration(PLAIN, levels)
    assert expected == pytest.approx(_filtered(PLAIN, levels), abs=0.08)


def test_the_first_form_is_filtered_exactly() -> None:
    assert _by_enumeration(PLAIN, [0.3]) == pytest.approx(_filtered(PLAIN, [0.3]), abs=1e-9)


def test_one_form_is_filtered_by_bayes_rule_with_bad_days_and_outliers() -> None:
    settings = FilterSettings()
    tables = hypothesis_tables(settings)
    prior = predict(tables, initial_belief(tables, 1), np.array([False]))
    item_var = np.array([settings.item_variance])
    columns = form_matrix(level_forms([0.5]))
    observation = observe(columns, np.full((3, 1), 0.78), np.array([np.nan]), item_var)
    _, posterior = update(tables, prior, observation, form_likelihood(tables, prior, observation))
    expected = []
    mean = prior.mean[:, :, 0]
    noise = np.array([settings.noise, 1.5 * settings.contrast_noise, 2.0 * settings.contrast_noise])
    own = prior.variance[:, 0] + noise
    cases = [(0, 0, prior.weight[0, 0] * (1 - settings.bad_day))]
    cases += [(h, h, prior.weight[h, 0] * settings.given_ratio) for h in range(1, tables.hypotheses)]
    cases += [
        (0, h, prior.weight[0, 0] * settings.bad_day * tables.bad_day[h - 1])
        for h in range(1, tables.hypotheses)
    ]
    for of, shifted, weight in cases:
        likelihood = 0.0
        for share, extra in ((1 - settings.outlier, 0.0), (settings.outlier, settings.outlier_spread)):
            part = share
            for c in range(3):
                variance = float(own[c] + observation.noise[c, 0] + extra * noise[c])
                part *= _normal(
                    float(observation.channels[c, 0]), float(mean[c, of] - tables.shift[c, shifted]), variance
                )
            likelihood += part
        expected.append(float(weight) * likelihood)
    total = sum(expected)
    assert [each / total for each in expected] == pytest.approx(posterior[:, 0].tolist(), abs=1e-12)


def test_forms_at_the_top_never_raise_the_probability_of_a_rupture() -> None:
    settings = FilterSettings()
    without_any_form = settings.onset / (settings.onset + settings.repair)
    found = _filtered(settings, [1.0] * 8)
    assert max(found) < without_any_form
    assert found[-1] - found[-2] < 0.01


def test_a_declined_form_makes_a_rupture_somewhat_likelier() -> None:
    features = FeatureExtractor()
    state = features.start(1)
    log_odds = []
    for each in [*level_forms([0.8, 0.8]), declined(2)]:
        extraction = features.extract(state, form_matrix([each]))
        state = extraction.state
        log_odds.append(float(extraction.features[0, features.names.index("odds")]))
    assert log_odds[1] < log_odds[2] < 0


def test_the_belief_stays_finite_over_a_thousand_extreme_forms() -> None:
    features = FeatureExtractor()
    state = features.start(2)
    rng = np.random.default_rng(1)
    for number in range(1000):
        level = float(rng.choice([0.0, 1.0]))
        both = [level_forms([level])[0], declined(number)]
        state = features.extract(state, form_matrix(both)).state
    parts = features.layout.split(state)
    assert np.isfinite(parts["weight"]).all()
    assert np.isfinite(parts["filter_mean"]).all()
    assert (parts["variance"] > 0).all()


def test_equal_marks_are_likelier_straight_lined_the_less_likely_they_are_by_chance() -> None:
    answered, spread = np.array([12.0, 12.0, 3.0, 2.0]), np.array([0.0, 0.06, 0.0, 0.0])
    chance = straight_lined(answered, spread, np.full(4, 0.008), np.full(4, 0.25))
    assert chance[0] > 0.8 > chance[2] > chance[1]
    assert chance[1] == chance[3] == 0.0


def test_a_straight_lined_form_carries_little_information_about_contrasts() -> None:
    row = form_matrix(level_forms([0.75]))
    straight = row.copy()
    straight[:, FORM_COLUMNS.index("spread")] = 0.0
    baseline, item_var = np.full((3, 1), 0.78), np.array([0.008])
    weighed, unweighed = (observe(each, baseline, np.array([np.nan]), item_var) for each in (row, straight))
    assert (unweighed.noise[1:] > 5 * weighed.noise[1:]).all()
    assert unweighed.noise[0, 0] > weighed.noise[0, 0]


def test_differences_between_components_are_not_item_noise() -> None:
    one, other = (form_matrix([form(0, *marks)]) for marks in ((0.8, 0.8, 0.8), (0.9, 0.8, 0.7)))
    other[:, FORM_COLUMNS.index("spread")] = np.sqrt(0.06**2 + 2 * 0.1**2 / 3)
    squares = [
        observe(each, np.full((3, 1), 0.78), np.array([np.nan]), np.array([0.008])).squares[0]
        for each in (one, other)
    ]
    assert squares[0] == pytest.approx(squares[1])
    assert squares[0] == pytest.approx(12 * 0.06**2)
