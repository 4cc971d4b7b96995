"""A model with a network keeps what every model promises: equality, snapshots, and a risk that only rises."""

from collections.abc import Sequence
from itertools import pairwise

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from msgspec.structs import replace

from services.detector.domain.dated_rows import PracticeStatistics
from services.detector.domain.detector import DyadAssessments, DyadForms
from services.detector.domain.form import FORM_COLUMNS, Form, form_matrix
from services.detector.features.practice_statistics import STATISTICS
from services.detector.model.floor_effect import possible_originals
from services.detector.model.form_step import distinct_statistics
from services.detector.model.snapshot import BadSnapshot
from services.detector.model.trained_detector import TrainedDetector
from tests.support.detector.forms import STEADY, declined, form, level_forms
from tests.support.detector.networks import with_random_network

SPREAD, TOP = FORM_COLUMNS.index("spread"), FORM_COLUMNS.index("top")
SOME, OTHER = (
    PracticeStatistics(name, tuple(np.random.default_rng(seed).uniform(-1, 1, len(STATISTICS)).tolist()))
    for seed, name in enumerate(("s-1", "s-2"))
)


@pytest.fixture(scope="module")
def network_detector(detector: TrainedDetector) -> TrainedDetector:
    """Return the shipped trees and filter with a random network of the largest size."""
    return with_random_network(detector, 1, 96)


@pytest.fixture(scope="module")
def with_statistics(histories: list[list[Form]]) -> list[DyadForms]:
    """Return histories without statistics, with some, and with others from the middle of the course on."""
    dyads = []
    for number, forms in enumerate(histories):
        half = len(forms) // 2
        ways: tuple[Sequence[PracticeStatistics | None], ...] = (
            (),
            [SOME] * len(forms),
            [None] * half + [OTHER] * (len(forms) - half),
            [SOME] * half + [OTHER] * (len(forms) - half),
        )
        dyads.append(DyadForms(None, forms, statistics=ways[number % len(ways)]))
    return dyads


@pytest.fixture(scope="module")
def whole(network_detector: TrainedDetector, with_statistics: list[DyadForms]) -> list[DyadAssessments]:
    """Return the results of every dyad, folded in one batch."""
    return network_detector.assess(with_statistics)


def _text(result: DyadAssessments) -> str:
    return repr((result.snapshot, list(result.assessments)))


@pytest.mark.parametrize("size", [1, 2, 7, 64, 65, 512])
def test_a_result_does_not_depend_on_the_size_of_its_batch(
    size: int,
    network_detector: TrainedDetector,
    with_statistics: list[DyadForms],
    whole: list[DyadAssessments],
) -> None:
    some = with_statistics[-size:] + with_statistics[:20]
    expected = [_text(result) for result in whole[-size:] + whole[:20]]
    found = [
        _text(result)
        for begin in range(0, len(some), size)
        for result in network_detector.assess(some[begin : begin + size])
    ]
    assert expected == found


def test_a_result_does_not_depend_on_its_place_in_the_batch(
    network_detector: TrainedDetector, with_statistics: list[DyadForms], whole: list[DyadAssessments]
) -> None:
    order = np.random.default_rng(1).permutation(len(whole)).tolist()
    found = network_detector.assess([with_statistics[place] for place in order])
    assert [_text(whole[place]) for place in order] == [_text(result) for result in found]


def test_going_on_from_snapshots_equals_refolding_the_history(
    network_detector: TrainedDetector, with_statistics: list[DyadForms], whole: list[DyadAssessments]
) -> None:
    snapshots: list[bytes | None] = [None] * len(with_statistics)
    found: list[list[object]] = [[] for _ in with_statistics]
    for t in range(max(len(dyad.forms) for dyad in with_statistics)):
        rows = [row for row, dyad in enumerate(with_statistics) if len(dyad.forms) > t]
        work = [
            DyadForms(
                snapshots[row],
                [with_statistics[row].forms[t]],
                statistics=with_statistics[row].statistics[t : t + 1],
            )
            for row in rows
        ]
        for row, result in zip(rows, network_detector.assess(work), strict=True):
            snapshots[row] = result.snapshot
            found[row] += result.assessments
    assert [repr(list(result.assessments)) for result in whole] == [repr(one) for one in found]
    assert [result.snapshot for result in whole] == snapshots


@pytest.mark.parametrize("left", [0, 1, 5])
def test_skipping_forms_that_are_already_assessed_does_not_change_the_others(
    left: int,
    network_detector: TrainedDetector,
    with_statistics: list[DyadForms],
    whole: list[DyadAssessments],
) -> None:
    known = [max(len(dyad.forms) - left, 0) for dyad in with_statistics]
    found = network_detector.assess(
        [replace(dyad, already_assessed=count) for dyad, count in zip(with_statistics, known, strict=True)]
    )
    rest = [list(one.assessments)[count:] for one, count in zip(whole, known, strict=True)]
    assert [repr(one) for one in rest] == [repr(list(result.assessments)) for result in found]
    assert [result.snapshot for result in whole] == [result.snapshot for result in found]


def test_a_snapshot_of_a_large_network_fits_into_4_kilobytes(whole: list[DyadAssessments]) -> None:
    assert max(len(result.snapshot) for result in whole) <= 4096


def test_a_dyad_that_is_started_without_a_form_is_still_new(network_detector: TrainedDetector) -> None:
    forms = level_forms(STEADY)
    snapshot = network_detector.assess([DyadForms(None, [])])[0].snapshot
    found = network_detector.assess([DyadForms(snapshot, forms), DyadForms(None, forms)])
    assert repr(found[0]) == repr(found[1])


def test_a_first_form_is_read_otherwise_than_one_after_a_declined_form(
    network_detector: TrainedDetector,
) -> None:
    alone, later = network_detector.assess(
        [DyadForms(None, level_forms([0.8])), DyadForms(None, [declined(0), form(1, 0.8, 0.8, 0.8)])]
    )
    assert alone.assessments[-1].risk != later.assessments[-1].risk


def test_snapshots_of_models_with_and_without_a_network_are_refused_by_the_other(
    detector: TrainedDetector, network_detector: TrainedDetector
) -> None:
    forms = level_forms(STEADY)
    for one, other in ((detector, network_detector), (network_detector, detector)):
        snapshot = one.assess([DyadForms(None, forms)])[0].snapshot
        with pytest.raises(BadSnapshot, match="refold"):
            other.assess([DyadForms(snapshot, forms)])


def test_a_snapshot_of_a_network_of_another_size_is_refused(
    detector: TrainedDetector, network_detector: TrainedDetector
) -> None:
    snapshot = with_random_network(detector, 2).assess([DyadForms(None, [])])[0].snapshot
    with pytest.raises(BadSnapshot, match="refold"):
        network_detector.assess([DyadForms(snapshot, [])])


def test_only_a_model_with_a_network_reads_statistics(
    detector: TrainedDetector, network_detector: TrainedDetector
) -> None:
    forms = level_forms(STEADY)
    ways = [DyadForms(None, forms), DyadForms(None, forms, statistics=[SOME] * len(forms))]
    for one in (detector, network_detector):
        without, known = (result.assessments[-1].risk for result in one.assess(ways))
        assert (without != known) == one.uses_statistics
    assert network_detector.uses_statistics


def test_each_form_has_the_row_of_its_statistics() -> None:
    forms = level_forms([0.8, 0.7])
    dyads = [
        DyadForms(None, forms),
        DyadForms(None, forms, statistics=[None, SOME]),
        DyadForms(None, forms[:1], statistics=[OTHER]),
    ]
    table, rows = distinct_statistics(dyads)
    assert rows.tolist() == [0, 0, 0, 1, 2]
    assert np.isnan(table[0]).all()
    assert table[1:].tolist() == [list(SOME.values), list(OTHER.values)]


def test_statistics_of_another_number_than_the_forms_are_refused() -> None:
    with pytest.raises(ValueError, match="2 forms have 1 statistics"):
        distinct_statistics([DyadForms(None, level_forms([0.8, 0.7]), statistics=[SOME])])


STEPS = 48
marks = st.integers(0, STEPS)
forms_drawn = st.tuples(marks, marks, marks)


def _form(number: int, parts: tuple[int, int, int], below: int = 0) -> Form:
    bond, goal, task = ((part - below) / STEPS for part in parts)
    return replace(form(number, bond, goal, task), step=1 / 12, spread=0.06)


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    seed=st.integers(0, 10_000),
    history=st.lists(forms_drawn, max_size=10),
    last=forms_drawn,
    steps=st.lists(marks, min_size=1, max_size=8),
)
def test_lowering_a_whole_last_form_never_lowers_the_risk(
    seed: int,
    history: list[tuple[int, int, int]],
    last: tuple[int, int, int],
    steps: list[int],
    detector: TrainedDetector,
) -> None:
    random = with_random_network(detector, seed)
    before = [_form(number, parts) for number, parts in enumerate(history)]
    statistics = [SOME] * (len(history) + 1)
    allowed = sorted({0, *(step for step in steps if step <= min(last))})
    ways = [
        DyadForms(None, [*before, _form(len(history), last, step)], statistics=statistics) for step in allowed
    ]
    risks = [result.assessments[-1].risk for result in random.assess(ways)]
    assert all(lower >= higher for higher, lower in pairwise(risks))


@pytest.mark.parametrize("parts", [(0, 0, 20), (0, 30, 10)])
def test_a_form_at_the_floor_is_as_risky_as_the_riskiest_form_it_may_stand_for(
    parts: tuple[int, int, int], network_detector: TrainedDetector
) -> None:
    history = [_form(number, (40, 42, 41)) for number in range(5)]
    stopped = _form(5, parts)
    originals = [
        replace(stopped, bond=row[0], goal=row[1], task=row[2], spread=row[SPREAD], top=row[TOP])
        for row in possible_originals(form_matrix([stopped])[0]).tolist()
    ]
    results = network_detector.assess([DyadForms(None, [*history, last]) for last in (stopped, *originals)])
    risk, *of_originals = (result.assessments[-1].risk for result in results)
    assert risk == max(of_originals)


def test_the_falls_of_the_network_count_in_the_parts_of_the_components(
    detector: TrainedDetector, network_detector: TrainedDetector, dyads: list[DyadForms]
) -> None:
    without = [one for result in detector.assess(dyads[:40]) for one in result.assessments]
    with_falls = [one for result in network_detector.assess(dyads[:40]) for one in result.assessments]
    assert any(one.leading != other.leading for one, other in zip(without, with_falls, strict=True))
    assert all(sum(part.risk for part in one.components.values()) <= one.risk for one in with_falls)
