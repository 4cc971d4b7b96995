"""The possible originals of a form at the floor are forms that end as it when they are lowered."""

import numpy as np
import pytest

from services.detector.domain.form import FORM_COLUMNS, form_matrix
from services.detector.model.floor_effect import at_floor, possible_originals
from tests.support.detector.forms import form

TOP = FORM_COLUMNS.index("top")
BASELINE = np.array([[0.8, 0.8, 0.8, np.nan]])


def test_a_form_is_at_the_floor_when_a_component_fell_to_the_lowest_mark() -> None:
    columns = form_matrix([form(0, 0.0, 0.5, 0.5), form(0, 0.1, 0.5, 0.5)])
    assert at_floor(columns, np.repeat(BASELINE, 2, axis=0)).tolist() == [True, False]


@pytest.mark.parametrize("baseline", [0.0, 0.1, np.nan], ids=["lowest", "nearly lowest", "not known"])
def test_a_client_whose_baseline_is_the_lowest_mark_is_not_at_the_floor(baseline: float) -> None:
    columns = form_matrix([form(0, 0.0, 0.0, 0.0)])
    assert not at_floor(columns, np.full((1, 4), baseline)).any()


@pytest.mark.parametrize("marks", [(0.0, 0.5, 0.25), (0.0, 0.0, 0.5), (0.0, 0.0, 0.0)])
def test_every_original_ends_as_the_form_when_it_is_lowered(marks: tuple[float, float, float]) -> None:
    columns = form_matrix([form(0, *marks)])[0]
    originals = possible_originals(columns)[:, :3]
    assert len(originals) > 0
    for original in originals:
        by = (original - np.array(marks)).max()
        assert np.maximum(original - by, 0.0) == pytest.approx(marks)


def test_originals_are_within_the_scale_and_have_no_item_at_the_best_mark() -> None:
    originals = possible_originals(form_matrix([form(0, 0.0, 0.5, 0.25)])[0])
    assert originals[:, :3].max() <= 1.0
    assert originals[:, :3].min() >= 0.0
    assert set(originals[:, TOP].tolist()) == {0.0}


def test_a_form_whose_other_components_are_at_the_top_has_no_originals() -> None:
    assert len(possible_originals(form_matrix([form(0, 0.0, 1.0, 1.0)])[0])) == 0
