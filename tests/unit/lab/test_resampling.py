"""Figures of weighted sessions are those of sessions that occur as often as their weights say."""

import numpy as np
import pytest
from sklearn.metrics import average_precision_score

from lab.evaluation.resampling import draw_weights, weighted_auprc, weighted_cut, weighted_share

RNG = np.random.default_rng


def test_with_equal_weights_the_area_is_that_of_scikit_learn_also_where_scores_are_equal() -> None:
    rng = RNG(1)
    truth, score = rng.random(400) < 0.2, np.round(rng.random(400), 1)
    [area] = weighted_auprc(truth, score, np.ones((1, 400)))
    assert area == pytest.approx(average_precision_score(truth, score), abs=1e-12)


def test_a_weight_of_two_counts_as_two_sessions_and_a_weight_of_zero_as_none() -> None:
    rng = RNG(2)
    truth, score = rng.random(100) < 0.3, rng.random(100)
    weights = rng.integers(0, 3, 100)
    [area] = weighted_auprc(truth, score, weights[None].astype(float))
    repeated = average_precision_score(np.repeat(truth, weights), np.repeat(score, weights))
    assert area == pytest.approx(repeated, abs=1e-12)


def test_the_area_is_unknown_where_no_true_session_has_a_weight() -> None:
    areas = weighted_auprc(np.array([True, False]), np.array([0.9, 0.1]), np.array([[1.0, 1.0], [0.0, 1.0]]))
    assert areas[0] == 1.0
    assert np.isnan(areas[1])


def test_five_of_a_hundred_sessions_exceed_the_cut_and_of_equal_scores_none() -> None:
    score = np.arange(1.0, 101.0)
    assert weighted_cut(score, np.ones((1, 100)), 0.05).tolist() == [95.0]
    assert weighted_cut(np.ones(100), np.ones((1, 100)), 0.05).tolist() == [1.0]
    # The highest one counts six times: already too many.
    heavy = np.ones((1, 100))
    heavy[0, 99] = 6
    assert weighted_cut(score, heavy, 0.05).tolist() == [100.0]


def test_the_share_of_hits_counts_weights() -> None:
    hit = np.array([[True, False, False]])
    assert weighted_share(hit, np.array([[2.0, 1.0, 1.0]])).tolist() == [0.5]
    assert np.isnan(weighted_share(hit, np.zeros((1, 3))))[0]


def test_all_courses_of_a_client_are_drawn_together_and_as_many_clients_as_there_are() -> None:
    client = np.array([3, 3, 8, 9, 9, 9])
    weights = draw_weights(RNG(5), client, draws=50)
    assert weights.shape == (51, 6)
    assert weights[0].tolist() == [1.0] * 6
    assert (weights[:, 0] == weights[:, 1]).all()
    assert (weights[:, 3] == weights[:, 5]).all()
    assert (weights[:, [0, 2, 3]].sum(axis=1) == 3).all()
