"""Detectors of which everything is known by hand get the figures and the ratios that they should."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from datetime import UTC, datetime, timedelta

import msgspec
import numpy as np
import pytest

from lab.evaluation.course_group import CourseGroup, CourseTruth, group_of
from lab.evaluation.paired_comparison import MODEL_BEFORE, PairedFigures, compare
from lab.evaluation.yardsticks import Yardstick, first_family, kinds, second_family
from lab.simulator.cohort import simulate
from lab.simulator.scenarios import SCENARIOS
from schemas.components import Component
from schemas.events import Status
from schemas.ids import InstrumentId, RatingId, SessionId
from schemas.rating_order import SessionOrder
from services.detector.domain.assessment import Assessment, ComponentFinding
from services.detector.domain.detector import DyadAssessments, DyadForms
from services.detector.domain.form import Form
from services.detector.domain.message_precision import MeasuredPrecision
from services.detector.model.artefact import load
from services.detector.model.trained_detector import TrainedDetector

SESSIONS = 10
RUPTURE = (4, 5, 6)
BEGIN = datetime(2026, 1, 5, tzinfo=UTC)
Risk = Callable[[int, Form], float]


class FixedDetector:
    """Has a risk that follows from a session's number and form alone."""

    threshold = 0.8
    reference = None
    uses_statistics = False

    def __init__(self, version: str, risk: Risk) -> None:
        self.version = version
        self.message_precision: Mapping[str, MeasuredPrecision] = {}
        self._risk = risk

    def reads(self, snapshot: bytes) -> bool:
        """Only its own, which are empty."""
        return not snapshot

    def assess(self, dyads: Sequence[DyadForms]) -> list[DyadAssessments]:
        """Assess each form by its number and its marks."""
        return [
            DyadAssessments(b"", [self._assessment(t, form) for t, form in enumerate(dyad.forms)])
            for dyad in dyads
        ]

    def _assessment(self, session: int, form: Form) -> Assessment:
        bond = ComponentFinding(risk=0.0, score=form.bond, baseline=0.9)
        risk = self._risk(session, form)
        return Assessment(risk, {Component.BOND: bond}, Component.BOND, None, session + 1, form.bond)


def form(session: int, mark: float, *, declined: bool = False) -> Form:
    """Return a form with the same mark throughout."""
    name = f"s{session}"
    order = SessionOrder(BEGIN + timedelta(weeks=session), SessionId(name), InstrumentId("wai-9"))
    mark = float("nan") if declined else mark
    status = Status.DECLINED if declined else Status.RATED
    return Form(RatingId(name), order, status, mark, mark, mark, mark, 0 if declined else 9, 0.0, 0.0, 0.25)


def group(clients: int, declined: Sequence[int] = ()) -> CourseGroup:
    """Return clients who all have the same course: marks of .7, and .3 in the rupture."""
    course = [form(t, 0.3 if t in RUPTURE else 0.7, declined=t in declined) for t in range(SESSIONS)]
    shape = clients, SESSIONS
    rupture = np.zeros(shape, dtype=np.bool_)
    rupture[:, RUPTURE] = True
    rated = np.ones(shape, dtype=np.bool_)
    rated[:, list(declined)] = False
    truth = CourseTruth(np.ones(shape, dtype=np.bool_), rated, rupture, np.arange(clients))
    return CourseGroup("alike", truth, [course] * clients, [None] * clients)


def yardstick(*groups: CourseGroup, one_practice: bool = False) -> Yardstick:
    """Return a yardstick of these groups."""

    def all_of_them() -> Iterator[CourseGroup]:
        yield from groups

    return Yardstick("by hand", len(groups), all_of_them, one_practice=one_practice)


PERFECT = FixedDetector("perfect", lambda _, form: float(form.bond < 0.5))
USELESS = FixedDetector("useless", lambda _t, _form: 1 / 3)
LATE = FixedDetector("late", lambda t, _: 0.9 if t == RUPTURE[1] else 0.1)
TOO_LATE = FixedDetector("too late", lambda t, _: 0.9 if t == RUPTURE[2] else 0.1)


def beside(
    before: FixedDetector | TrainedDetector, now: FixedDetector | TrainedDetector, on: Yardstick
) -> PairedFigures:
    """Compare two detectors on one yardstick."""
    [comparison] = compare([before, now], [on])
    return comparison.others[0]


def test_a_perfect_and_a_useless_detector_have_the_figures_that_follow_by_hand() -> None:
    [found] = compare([PERFECT, USELESS], [yardstick(group(4))])
    # Each of four clients has ten sessions, of which the first is not judged, and one rupture of three.
    assert (found.clients, found.sessions, found.ruptures) == (4, 36, 4)
    perfect, useless = found.before, found.others[0].figures
    assert (perfect.version, perfect.auprc, perfect.caught, perfect.calibration_error) == ("perfect", 1, 1, 0)
    assert perfect.own_false_alarms == 0
    # Any cut flags all sessions or none: the precision is the share of ruptures, 12 of 36.
    assert useless.auprc == pytest.approx(1 / 3)
    assert useless.caught == 0
    # Ten bins of the 36 sessions in their order have 1 2 0 3 0 3 ruptures in 4 sessions, then 0 0 3 0 in 3. A
    # third is expected of each, so the gaps times the sizes add up to 12.
    assert useless.calibration_error == pytest.approx(12 / 36)
    assert useless.reliability[6] == pytest.approx((12.0, 12.0, 36.0))
    assert useless.precision == pytest.approx([1 / 3] * 20)


def test_clients_who_are_all_alike_give_a_standard_error_of_zero() -> None:
    paired = beside(PERFECT, USELESS, yardstick(group(4)))
    assert paired.auprc.value == pytest.approx(1 / 3)
    assert paired.auprc.standard_error == pytest.approx(0, abs=1e-12)
    assert (paired.caught.value, paired.caught.standard_error) == (0, 0)
    assert (paired.worst.kind, paired.worst.practices) == ("alike", 1)
    # Nothing is caught before, so there is no ratio.
    assert np.isnan(beside(USELESS, PERFECT, yardstick(group(4))).caught.value)


def test_a_rupture_is_caught_at_its_first_or_second_rated_session_but_not_at_its_third() -> None:
    [found] = compare([PERFECT, LATE, TOO_LATE], [yardstick(group(3))])
    assert [paired.figures.caught for paired in found.others] == [1, 0]
    # Where the second session of the rupture has no form, the third is its second rated one.
    [found] = compare([PERFECT, TOO_LATE], [yardstick(group(3, declined=[RUPTURE[1]]))])
    assert found.others[0].figures.caught == 1
    assert found.sessions == 24


def test_own_false_alarms_are_measured_on_one_half_at_the_threshold_of_the_other() -> None:
    # One of five stable sessions after the second has a risk of .6, and so has every session of the rupture.
    often = FixedDetector("often", lambda t, _: 0.6 if t in (*RUPTURE, 9) else 0.0)
    [found] = compare([PERFECT, often], [yardstick(group(2))])
    # Chosen for 5 of 100: flagging .6 would flag 1.6 of the 7.6 sessions taken to be stable, so none is.
    assert found.others[0].figures.own_false_alarms == 0
    rarely = FixedDetector("rarely", lambda t, _: 0.95 if t in (*RUPTURE, 9) else 0.0)
    [found] = compare([PERFECT, rarely], [yardstick(group(2))])
    # Now it is .2 of 6.2 sessions, which is allowed: one of seven stable sessions is flagged.
    assert found.others[0].figures.own_false_alarms == pytest.approx(100 / 7)
    assert found.others[0].figures.promise_kept == 0


def test_parts_of_one_practice_share_its_threshold() -> None:
    parts = [group(1), group(1)]
    parts[1] = CourseGroup(
        "second",
        CourseTruth(parts[1].truth.present, parts[1].truth.rated, parts[1].truth.rupture, np.array([1])),
        parts[1].histories,
        parts[1].statistics,
    )
    [apart] = compare([PERFECT], [yardstick(*parts)])
    [together] = compare([PERFECT], [yardstick(*parts, one_practice=True)])
    # A part with one client alone has no other half.
    assert np.isnan(apart.before.own_false_alarms)
    assert together.before.own_false_alarms == 0


@pytest.fixture(scope="module")
def simulated() -> Yardstick:
    """Two practices of different kinds."""
    groups = []
    for name in ("as published, 12 items", "noisy"):
        rng = np.random.default_rng([1, *name.encode()])
        groups.append(group_of(simulate(rng, 120, SCENARIOS[name](rng)), name))
    return yardstick(*groups)


def noisy(form: Form, scale: float) -> float:
    """Return a risk that follows the marks, and by `scale` the last digits of the spread."""
    level = 0.5 if form.answered == 0 else (form.bond + form.goal + form.task) / 3
    return float(1 / (1 + np.exp(8 * (level - 0.4) + scale * np.sin(1e4 * (form.spread + level)))))


def test_a_model_beside_itself_has_a_ratio_of_exactly_one_and_no_error(
    simulated: Yardstick, detector: TrainedDetector
) -> None:
    paired = beside(load(MODEL_BEFORE), detector, simulated)
    same = load(MODEL_BEFORE).version == detector.version
    if same:
        assert (paired.auprc.value, paired.auprc.standard_error) == (1, 0)
        assert (paired.caught.value, paired.caught.standard_error) == (1, 0)
    again = beside(detector, detector, simulated)
    assert [(kind.ratio.value, kind.ratio.standard_error) for kind in again.by_kind] == [(1, 0), (1, 0)]


def test_the_standard_error_of_a_small_difference_is_small_because_clients_are_paired(
    simulated: Yardstick,
) -> None:
    plain = FixedDetector("plain", lambda _, form: noisy(form, 0.0))
    little = FixedDetector("little", lambda _, form: noisy(form, 0.05))
    much = FixedDetector("much", lambda _, form: noisy(form, 3.0))
    close, far = beside(plain, little, simulated), beside(plain, much, simulated)
    assert close.auprc.value == pytest.approx(1, abs=0.05)
    assert 0 < close.auprc.standard_error < 0.5 * far.auprc.standard_error
    assert far.auprc.value < 0.9
    assert far.worst.ratio.value == min(kind.ratio.value for kind in far.by_kind)
    assert {kind.kind for kind in far.by_kind} == {"as published, 12 items", "noisy"}


def test_the_same_comparison_gives_the_same_figures_and_can_be_written_as_json(simulated: Yardstick) -> None:
    plain = FixedDetector("plain", lambda _, form: noisy(form, 0.0))
    much = FixedDetector("much", lambda _, form: noisy(form, 3.0))
    first, second = (compare([plain, much], [simulated], draws=20) for _ in range(2))
    assert first == second
    written = msgspec.json.decode(msgspec.json.encode(first), type=list[type(first[0])])  # type: ignore[misc]
    assert written == first


def test_simulated_yardsticks_yield_the_same_practices_each_time_and_every_kind() -> None:
    small = [kinds(clients=20, seeds=1), first_family(3, 20), second_family(3, 20)]
    for each in small:
        first, second = ([one.truth.rupture.sum() for one in each.groups()] for _ in range(2))
        assert first == second
        assert len(first) == each.practices
    assert [one.kind for one in small[0].groups()] == list(SCENARIOS)
    families = [[one.kind for one in each.groups()] for each in small[1:]]
    assert all(len(set(names)) == 3 for names in families)


def test_the_kept_model_is_the_one_that_its_manifest_names() -> None:
    assert load(MODEL_BEFORE).version == "gb-593bf2d8f126"
