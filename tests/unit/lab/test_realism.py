"""The figures of a caseload are right by hand, and simulated caseloads have those of their own world."""

import numpy as np
import pytest

from lab.evaluation.realism import compare, figures, padded
from lab.product_path import forms_of
from lab.simulator.cohort import simulate
from lab.simulator.world import draw_world
from schemas.instruments.catalogue import Catalogue
from tests.support.detector.forms import declined, level_forms

WAI_SR = Catalogue.load().get("wai-sr")


def test_falls_repairs_and_missing_forms_are_counted() -> None:
    falls = [*level_forms([0.8, 0.6, 0.8]), declined(3)]
    steady = level_forms([0.5, 0.5, 0.5])
    found = figures(*padded([falls, steady]))
    assert found["falls by 1/8 of the scale, per 100 pairs of forms"] == pytest.approx(25)
    assert found["falls by 1/4 of the scale, per 100 pairs of forms"] == 0
    assert found["clients with such a fall, of 100"] == pytest.approx(50)
    assert found["such falls half back within 3 forms, of 100"] == pytest.approx(100)
    assert found["sessions without a form, of 100"] == pytest.approx(100 / 7)


def test_caseloads_drawn_from_the_priors_are_mostly_within_90_of_100_others_and_an_altered_one_is_not() -> (
    None
):
    within = []
    for seed in range(1, 9):
        rng = np.random.default_rng(seed)
        cohort = simulate(rng, 60, draw_world(rng, WAI_SR), 12)
        histories = [forms_of(cohort, client) for client in range(60)]
        rows = compare(histories, WAI_SR, 20, lambda _done: None)
        within.append(sum(row.low <= row.real <= row.high for row in rows) / len(rows))
    assert np.mean(within) >= 0.7
    flat = [level_forms([0.1] * 12) for _ in range(60)]
    outside = {
        row.name for row in compare(flat, WAI_SR, 20, lambda _: None) if not row.low <= row.real <= row.high
    }
    assert {"clients' mean levels, mean", "clients' own spread, median"} <= outside
