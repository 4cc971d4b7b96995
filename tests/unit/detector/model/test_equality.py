"""A dyad's numbers depend neither on its batch nor on snapshots: they are equal to the last digit."""

import numpy as np
import pytest

from services.detector.domain.detector import DyadAssessments, DyadForms
from services.detector.domain.form import Form
from services.detector.features.batch_sum import pairwise_sum
from services.detector.model.snapshot import BadSnapshot
from services.detector.model.trained_detector import TrainedDetector


@pytest.fixture(scope="module")
def whole(detector: TrainedDetector, dyads: list[DyadForms]) -> list[DyadAssessments]:
    """Return the results of every dyad, folded in one batch."""
    return detector.assess(dyads)


def _text(result: DyadAssessments) -> str:
    # `repr` of a float is exact, and equal for two NaN.
    return repr(list(result.assessments))


@pytest.mark.parametrize("size", [1, 2, 7, 512])
def test_a_result_does_not_depend_on_the_size_of_its_batch(
    size: int, detector: TrainedDetector, dyads: list[DyadForms], whole: list[DyadAssessments]
) -> None:
    some = dyads[-size:] + dyads[:40]
    expected = [_text(result) for result in whole[-size:] + whole[:40]]
    found = [
        _text(result)
        for begin in range(0, len(some), size)
        for result in detector.assess(some[begin : begin + size])
    ]
    assert expected == found


def test_a_snapshot_does_not_depend_on_the_batch(
    detector: TrainedDetector, dyads: list[DyadForms], whole: list[DyadAssessments]
) -> None:
    assert [result.snapshot for result in whole[:7]] == [
        detector.assess([dyad])[0].snapshot for dyad in dyads[:7]
    ]


def test_going_on_from_snapshots_equals_refolding_the_history(
    detector: TrainedDetector, histories: list[list[Form]], whole: list[DyadAssessments]
) -> None:
    snapshots: list[bytes | None] = [None] * len(histories)
    found: list[list[object]] = [[] for _ in histories]
    for t in range(max(map(len, histories))):
        rows = [row for row, forms in enumerate(histories) if len(forms) > t]
        work = [DyadForms(snapshots[row], [histories[row][t]]) for row in rows]
        for row, result in zip(rows, detector.assess(work), strict=True):
            snapshots[row] = result.snapshot
            found[row] += result.assessments
    assert [_text(result) for result in whole] == [repr(one) for one in found]
    assert [result.snapshot for result in whole] == snapshots


@pytest.mark.parametrize("terms", [1, 2, 3, 7, 21, 43])
def test_a_sum_is_the_same_to_the_last_bit_for_one_dyad_and_for_many(terms: int) -> None:
    rng = np.random.default_rng(terms)
    values = rng.standard_normal((terms, 3, 512)) * 10.0 ** rng.integers(-8, 8, (terms, 3, 512))
    together = pairwise_sum(values)
    assert together == pytest.approx(values.sum(axis=0), rel=1e-9, abs=1e-9)
    for dyad in range(0, 512, 37):
        assert np.array_equal(pairwise_sum(values[:, :, dyad : dyad + 1])[:, 0], together[:, dyad])
    assert np.array_equal(pairwise_sum(np.asfortranarray(values)), together)


@pytest.mark.parametrize("left", [0, 1, 2, 5])
def test_skipping_forms_that_are_already_assessed_does_not_change_the_others(
    left: int, detector: TrainedDetector, histories: list[list[Form]], whole: list[DyadAssessments]
) -> None:
    known = [max(len(forms) - left, 0) for forms in histories]
    found = detector.assess(
        [DyadForms(None, forms, count) for forms, count in zip(histories, known, strict=True)]
    )
    rest = [list(one.assessments)[count:] for one, count in zip(whole, known, strict=True)]
    assert [repr(one) for one in rest] == [_text(result) for result in found]
    assert [result.snapshot for result in whole] == [result.snapshot for result in found]


def test_a_snapshot_fits_into_4_kilobytes(whole: list[DyadAssessments]) -> None:
    assert max(len(result.snapshot) for result in whole) <= 4096


def test_no_dyads_give_no_results(detector: TrainedDetector) -> None:
    assert detector.assess([]) == []


def test_a_dyad_without_forms_keeps_its_snapshot(
    detector: TrainedDetector, whole: list[DyadAssessments]
) -> None:
    snapshot = whole[0].snapshot
    assert detector.assess([DyadForms(snapshot, [])])[0].snapshot == snapshot


def test_a_foreign_snapshot_is_refused(detector: TrainedDetector, histories: list[list[Form]]) -> None:
    with pytest.raises(BadSnapshot, match="refold"):
        detector.assess([DyadForms(b"something else", histories[0])])
