"""The optimal filter agrees with enumeration, is calibrated, and is at least as good as the detector."""

from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import pytest
from scipy.stats import norm

from lab.evaluation import share_of_optimum
from lab.evaluation.metrics import calibration_error, ranking
from lab.evaluation.share_of_optimum import (
    OptimalFigures,
    OptimalFilterSettings,
    optimal_figures,
    over_cohorts,
    share_interval,
)
from lab.optimal_filter.cache import cache_file_name, cached_risk, first_clients
from lab.optimal_filter.mcmc_moves import McmcMoves
from lab.optimal_filter.noise_proposals import NoiseProposal
from lab.optimal_filter.observation_model import FormTableBuilder
from lab.optimal_filter.particle_filter import Floats, optimal_risk
from lab.optimal_filter.particles import TRAITS, Particles, Precomputed
from lab.product_path import assess_cohort
from lab.simulator.cohort import ClientTraits, Cohort, felt_alliance, mix_noise, simulate
from lab.simulator.instruments import BOND, GOAL, TASK, invent_instrument
from lab.simulator.ruptures import initial_states
from lab.simulator.scenarios import SCENARIOS
from lab.simulator.world import World, draw_world
from services.detector.model.artefact import SHIPPED, load

pytestmark = pytest.mark.study
_INSTRUMENT = invent_instrument("three", (BOND, GOAL, TASK), 1, 5, 1)
_SESSIONS = 4


def _plain_world() -> World:
    """Return a world in which only the ruptures' onset, component and length vary, and the items' noise."""
    world = SCENARIOS["as published, 12 items"](np.random.default_rng(0))
    ruptures = replace(
        world.ruptures,
        hazard=0.2,
        repeat=1.5,
        shapes=(1.0, 0.0, 0.0),
        mix=(1.0, 0.0, 0.0),
        depth=0.3,
        depth_log_sd=0.0,
        hold=2.0,
        bad_day=0.0,
    )
    missing = replace(world.missing, declined=0.2, declined_growth=1.1, declined_in_rupture=2.0, partial=0.0)
    return replace(
        world,
        instrument=_INSTRUMENT,
        level=0.75,
        level_sd=0.0,
        therapist_sd=0.0,
        slope=0.0,
        slope_sd=0.0,
        own_sd=1e-9,
        own_log_sd=0.0,
        own_level_tilt=0.0,
        component_offsets=(0.0, 0.0, 0.0),
        component_sd=0.0,
        item_noise=0.15,
        item_offset_sd=0.05,
        yea_sayers=0.0,
        straight=0.1,
        ruptures=ruptures,
        missing=missing,
    )


@dataclass(frozen=True)
class _Rupture:
    component: int
    ramp: int
    full: int
    back: int
    age: int

    def share(self) -> float:
        if self.age < self.full:
            return min((self.age + 1) / self.ramp, 1.0)
        return 1.0 - min((self.age - self.full + 1) / self.back, 1.0)


def _onsets() -> Iterator[tuple[float, _Rupture]]:
    for component, lead in ((0, 0.20), (1, 0.41), (2, 0.39)):
        for ramp, quick in ((1, 0.8), (2, 0.2)):
            for hold in range(1, 40):
                for back, sudden in ((1, 0.75), (2, 0.25)):
                    yield lead * quick * 0.5**hold * sudden, _Rupture(component, ramp, ramp + hold, back, 0)


Past = dict[tuple[_Rupture | None, bool], float]


def _next(past: Past) -> Past:
    """Return the next session's states: the rupture that is not over, and whether there was ever one."""
    after: Past = {}
    for (rupture, had_one), chance in past.items():
        if rupture is not None:
            older = replace(rupture, age=rupture.age + 1)
            state = (older if older.share() > 0 else None, True)
            after[state] = after.get(state, 0.0) + chance
            continue
        hazard = 0.3 if had_one else 0.2
        after[None, had_one] = after.get((None, had_one), 0.0) + chance * (1 - hazard)
        for share, new in _onsets():
            after[new, True] = after.get((new, True), 0.0) + chance * hazard * share
    return after


def _chance_of(cohort: Cohort, marks: Floats | None, fall: tuple[float, ...], odds: float) -> float:
    declines = odds / (1 + odds)
    if marks is None:
        return declines
    wanted = 0.75 - np.array(fall) + cohort.item_offsets
    low = np.where(marks < 0.1, -np.inf, marks - 0.125)
    high = np.where(marks > 0.9, np.inf, marks + 0.125)
    apart = np.prod(norm.cdf(high, wanted, 0.15) - norm.cdf(low, wanted, 0.15))
    same = 0.0
    if np.ptp(marks) < 1e-9:
        same = np.diff(norm.cdf([low[0], high[0]], wanted.mean(), 0.15 / np.sqrt(3)))[0]
    return float((1 - declines) * (0.9 * apart + 0.1 * same))


def _enumerated(cohort: Cohort, client: int) -> list[float]:
    """Return P(rupture | forms so far) by summation over all courses."""
    past: Past = {(None, False): 1.0}
    risks = []
    for t in np.nonzero(cohort.present[client])[0].tolist():
        past = _next(past) if t else past
        marks = None if cohort.declined[client, t] else cohort.marks[client, t]
        weighed, under_way = {}, 0.0
        for state, chance in past.items():
            rupture = state[0]
            fall = [0.0, 0.0, 0.0]
            on = rupture is not None and rupture.age < rupture.full
            if rupture is not None:
                fall[rupture.component] = 0.3 * rupture.share()
            odds = 0.25 * 1.1**t * (2.0 if on else 1.0)
            weighed[state] = chance * _chance_of(cohort, marks, tuple(fall), odds)
            under_way += weighed[state] * on
        total = sum(weighed.values())
        risks.append(under_way / total)
        past = {state: weight / total for state, weight in weighed.items()}
    return risks


def test_in_a_small_world_the_filter_agrees_with_summation_over_all_courses() -> None:
    cohort = simulate(np.random.default_rng(5), 12, _plain_world(), _SESSIONS)
    assert cohort.declined[cohort.present].any()
    risk = np.mean([optimal_risk(cohort, seed, particles=2000) for seed in range(4)], axis=0)
    for client in range(12):
        found = risk[client, cohort.present[client]].tolist()
        assert _enumerated(cohort, client) == pytest.approx(found, abs=0.025)


def test_the_probabilities_of_all_marks_of_an_item_add_up_to_one() -> None:
    world = replace(_plain_world(), straight=0.0)
    builder = FormTableBuilder(world, np.array([0.1, -0.1, 0.0]))
    felt = np.array([[0.4, 1.3], [0.9, -0.2], [0.7, 0.0], [0.5, 0.0]], dtype=np.float32)
    yea = np.array([False, True])
    total = np.zeros(2)
    for mark in (0.0, 0.25, 0.5, 0.75, 1.0):
        marks = np.array([np.nan, mark, np.nan])
        total += np.exp(builder.tables(marks).log_likelihood(world, felt, yea))
    # Tables are interpolated: they are exact at their points only.
    assert total.tolist() == pytest.approx([1.0, 1.0], abs=1e-4)


@pytest.fixture(scope="module")
def cohort() -> Cohort:
    """A cohort large enough for calibration, in short treatments."""
    rng = np.random.default_rng(8)
    return simulate(rng, 120, SCENARIOS["short treatments"](rng))


@pytest.fixture(scope="module")
def risk(cohort: Cohort) -> Floats:
    """The risks with 1,000 particles."""
    return optimal_risk(cohort, particles=1000)


def test_its_risks_are_as_frequent_as_they_say(cohort: Cohort, risk: Floats) -> None:
    present = cohort.present
    assert calibration_error(cohort.rupture[present], risk[present], bins=5) < 0.05


def test_it_orders_sessions_at_least_as_well_as_the_detector(cohort: Cohort, risk: Floats) -> None:
    assessed = assess_cohort(load(SHIPPED), cohort)
    present, truth = cohort.present, cohort.rupture[cohort.present]
    assert ranking(truth, risk[present]).auprc >= ranking(truth, assessed.risk[present]).auprc


def test_the_same_seed_gives_the_same_risks_and_another_seed_others(cohort: Cohort) -> None:
    one, again, other = (optimal_risk(cohort, seed, particles=50)[cohort.present] for seed in (3, 3, 4))
    assert one.tolist() == again.tolist()
    assert one.tolist() != other.tolist()


def test_runs_with_different_seeds_differ_little(cohort: Cohort, risk: Floats) -> None:
    again = optimal_risk(first_clients(cohort, 30), seed=9, particles=1000)
    assert np.nanmean(np.abs(again - risk[:30])) < 0.03


def test_particles_feel_the_same_as_the_simulators_clients() -> None:
    world = draw_world(np.random.default_rng(2))
    rng = np.random.default_rng(3)
    precomputed = Precomputed(world)
    static = precomputed.static_traits(rng.standard_normal((TRAITS, 50), dtype=np.float32))
    noise = rng.standard_normal((50, 5)).astype(np.float32)
    fall = rng.random((50, 3)).astype(np.float32)
    person, slope, own_sd, offsets = (
        part.astype(np.float64) for part in (static.person, static.slope, static.own_sd, static.offsets.T)
    )
    mixed = mix_noise(world, noise[:, None].astype(np.float64))
    traits = ClientTraits(person, slope, own_sd, offsets)
    expected = felt_alliance(world, traits, np.array([4]), mixed, fall[:, None].astype(np.float64))[:, 0]
    felt = precomputed.felt(static, 4, noise.T, fall.T).T
    assert felt.ravel().tolist() == pytest.approx(expected.ravel().tolist(), abs=1e-5)


def test_moves_leave_the_distribution_of_particles_unchanged() -> None:
    world = draw_world(np.random.default_rng(2))
    rng = np.random.default_rng(4)
    precomputed = Precomputed(world)
    proposal, moves = NoiseProposal(rng, precomputed), McmcMoves(rng, precomputed, world)
    size, sessions = 20_000, 3
    noise = np.empty((sessions, 5, size), np.float32)
    noise[0] = proposal.from_prior(5, size)
    for session in (1, 2):
        carried = precomputed.autocorrelation * noise[session - 1]
        noise[session] = carried + precomputed.innovation_sd * proposal.from_prior(5, size)
    nothing = np.zeros((sessions, 3, size), np.float32)
    particles = Particles(
        traits=rng.standard_normal((TRAITS, size), dtype=np.float32),
        yea_sayer=np.zeros(size, dtype=np.bool_),
        noise=noise,
        fall=nothing.copy(),
        rupture_share=nothing[:, 0].copy(),
        other_fall=nothing.copy(),
        form_log_likelihood=nothing[:, 0].copy(),
        ruptures=initial_states(size),
        unrepaired=np.zeros(size, dtype=np.bool_),
        log_weight=np.zeros(size),
    )
    before = particles.traits.copy()
    for _ in range(10):
        moves.traits(particles, sessions)
        moves.session(particles, 1, sessions, None)
    assert (particles.traits != before).mean() > 0.3
    assert particles.traits.mean(axis=1) == pytest.approx(np.zeros(TRAITS), abs=0.05)
    assert particles.traits.std(axis=1) == pytest.approx(np.ones(TRAITS), abs=0.05)


def test_cached_risks_are_not_computed_again(cohort: Cohort, tmp_path: Path) -> None:
    few = first_clients(cohort, 3)
    known = cached_risk(few, 5, 40, tmp_path)
    file = tmp_path / cache_file_name(few, 5, 40)
    np.save(file, known + 1)
    assert np.array_equal(cached_risk(few, 5, 40, tmp_path), known + 1, equal_nan=True)
    assert cache_file_name(few, 5, 41) != file.name != cache_file_name(first_clients(cohort, 4), 5, 40)


def test_ignoring_item_offsets_gives_the_filter_a_cohort_without_them(
    cohort: Cohort, risk: Floats, monkeypatch: pytest.MonkeyPatch
) -> None:
    given = []

    def cached(cohort: Cohort, *_: object) -> Floats:
        given.append(cohort.item_offsets)
        return risk[: len(cohort.present)]

    monkeypatch.setattr(share_of_optimum, "cached_risk", cached)
    for ignore in (False, True):
        settings = OptimalFilterSettings(100, 1, ignore_item_offsets=ignore, cache=None)
        optimal_figures(cohort, risk, 5.0, settings)
    known, known_again, ignored, ignored_again = given
    assert known is known_again is cohort.item_offsets
    assert known.any()
    assert not ignored.any()
    assert not ignored_again.any()


def test_the_optimal_filters_share_of_itself_is_one(cohort: Cohort, risk: Floats) -> None:
    assert share_interval(cohort.rupture, risk, risk, cohort.present, draws=20) == (1.0, 1.0)


def test_the_interval_over_several_cohorts_is_narrower_than_over_one() -> None:
    def one(share: float, low: float, high: float) -> OptimalFigures:
        return OptimalFigures(100, 0.5, share, low, high, 0.5, 1.0, 0.01, 1.0, 0.01)

    assert over_cohorts([one(0.8, 0.7, 0.86)]) == pytest.approx((0.8, 0.7, 0.86))
    together = over_cohorts([one(0.8, 0.76, 0.83), one(0.9, 0.87, 0.94)])
    assert together == pytest.approx((0.85, 0.85 - 0.05 / 2, 0.85 + 0.05 / 2))
