"""Simulated cohorts have the published figures, and a simulated network keeps its stated truth."""

import json
from collections import Counter
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray
from pydantic import ValidationError
from typer import Typer
from typer.testing import CliRunner

from lab.commands.plugin import register
from lab.product_path import assess_cohort, forms_of
from lab.simulator.cohort import Cohort, simulate
from lab.simulator.instruments import (
    BOND,
    DRAW_ORDER,
    GOAL,
    OVERALL,
    TASK,
    catalogue_instruments,
    cutoff_share,
    item_components,
)
from lab.simulator.item_responses import in_instrument_units
from lab.simulator.scenarios import SCENARIOS
from lab.simulator.world import draw_world, typical_world
from schemas.events import Scores, Status
from schemas.instruments.catalogue import Catalogue
from schemas.instruments.instrument import Instrument
from schemas.instruments.scoring import score
from schemas.rating import RatingBody
from schemas.validation_errors import InvalidInput
from services.detector.domain.baseline_rules import previous, totals
from services.detector.domain.form import FORM_COLUMNS, form_matrix
from services.detector.model.trained_detector import TrainedDetector

END = datetime(2026, 11, 20, 18, tzinfo=UTC)


@pytest.fixture(scope="module")
def cohort() -> Cohort:
    """1,000 clients with 15 sessions, by the published figures."""
    rng = np.random.default_rng(1)
    return simulate(rng, 1000, SCENARIOS["as published, 12 items"](rng), 15)


@pytest.fixture(scope="module")
def given(cohort: Cohort) -> NDArray[np.bool_]:
    """Where a form was given."""
    return cohort.present & ~cohort.declined


def _near(low: float, found: float, high: float) -> bool:
    return low <= float(found) <= high


# The bounds hold the figures of the IMPLEMENT data (in brackets) with room for the worlds around them.
def test_levels_are_as_published(cohort: Cohort, given: NDArray[np.bool_]) -> None:
    assert _near(0.68, totals(cohort.forms)[given].mean(), 0.80)  # .745


def test_clients_differ_as_published(cohort: Cohort, given: NDArray[np.bool_]) -> None:
    total = np.where(given, totals(cohort.forms), 0.0)
    own = total.sum(axis=1) / np.maximum(given.sum(axis=1), 1)
    assert _near(0.10, own[given.sum(axis=1) > 3].std(), 0.17)  # .13


def test_falls_are_as_frequent_as_published(cohort: Cohort, given: NDArray[np.bool_]) -> None:
    total = np.where(given, totals(cohort.forms), np.nan)
    fall = previous(total) - total
    known = fall[~np.isnan(fall)]
    assert _near(0.03, (known >= 0.125).mean(), 0.15)  # .078
    assert _near(0.002, (known >= 0.25).mean(), 0.04)  # .012


def test_forms_are_declined_as_often_as_published(cohort: Cohort) -> None:
    assert _near(0.08, cohort.declined[cohort.present].mean(), 0.20)  # .145


def test_the_ceiling_is_met_as_often_as_published(cohort: Cohort, given: NDArray[np.bool_]) -> None:
    top = cohort.forms[:, :, FORM_COLUMNS.index("top")]
    assert _near(0.02, (top[given] == 1).mean(), 0.12)  # .050


def test_as_many_clients_have_a_rupture_as_published(cohort: Cohort) -> None:
    assert _near(0.25, (cohort.rupture & cohort.present).any(axis=1).mean(), 0.50)  # .25 to .50


def test_components_fall_in_a_rupture_and_only_there(cohort: Cohort) -> None:
    falls = cohort.courses.fall.max(axis=2)
    assert (falls[cohort.rupture] > 0).all()
    assert falls[:, 0].max() == 0


def test_worlds_differ_widely() -> None:
    worlds = [draw_world(np.random.default_rng(seed)) for seed in range(200)]
    assert {instrument.id for instrument in catalogue_instruments()} < {
        world.instrument.id for world in worlds
    }
    assert max(world.autocorrelation for world in worlds) > 0.4
    assert min(world.level for world in worlds) < 0.65


def test_the_same_seed_gives_the_same_cohort() -> None:
    one, other = (simulate(np.random.default_rng(5), 20) for _ in range(2))
    assert one.forms.tobytes() == other.forms.tobytes()


TEN_ITEMS = """
id = "ten"
title = "Ten invented items"
source = "invented for this test"
licence = "none"
items = 10
lowest = 1
highest = 4
step = 0.5
between_steps = "refused"
reversed = [2, 9]
cutoff = 30
[components]
task = [1, 2, 3]
goal = [4, 5, 6]
bond = [7, 8, 9]
overall = [10]
[missing]
component = 0
total = 1
"""


@pytest.fixture(scope="module")
def own_catalogue(tmp_path_factory: pytest.TempPathFactory) -> Catalogue:
    """The shipped instruments and one of a practice's own."""
    folder = tmp_path_factory.mktemp("instruments")
    (folder / "ten.toml").write_text(TEN_ITEMS, encoding="utf-8")
    return Catalogue.load(folder)


def simulated(instrument: Instrument) -> Cohort:
    """30 clients who rate with an instrument, with many unanswered items."""
    rng = np.random.default_rng(8)
    world = draw_world(rng, instrument)
    return simulate(rng, 30, replace(world, missing=replace(world.missing, partial=0.3)), 6)


def marks_as_given(cohort: Cohort, client: int, t: int) -> list[float | None]:
    """A form's marks in the instrument's units, None where unanswered."""
    units = in_instrument_units(cohort.world.instrument, cohort.marks[client, t].copy())
    return [None if np.isnan(mark) else mark for mark in units.tolist()]


@pytest.mark.parametrize("name", [*DRAW_ORDER, "ten"])
def test_cohorts_are_scored_as_single_forms_are(own_catalogue: Catalogue, name: str) -> None:
    instrument = own_catalogue.get(name)
    cohort = simulated(instrument)
    scored = 0
    for client, t in np.argwhere(cohort.present & ~cohort.declined).tolist():
        expected = score(instrument, marks_as_given(cohort, client, t))
        row = dict(zip(FORM_COLUMNS, cohort.forms[client, t].tolist(), strict=True))
        assert expected.answered == row["answered"]
        assert expected.top == pytest.approx(row["top"])
        assert expected.spread == pytest.approx(row["spread"], abs=1e-9)
        for component in ("bond", "goal", "task", "overall"):
            known = getattr(expected, component)
            assert known is None or known == pytest.approx(row[component], abs=1e-9)
        scored += 1
    assert scored > 60


def test_an_instrument_of_ones_own_is_simulated_as_its_definition_describes_it(
    own_catalogue: Catalogue,
) -> None:
    instrument = own_catalogue.get("ten")
    cohort = simulated(instrument)
    assert item_components(instrument) == (TASK,) * 3 + (GOAL,) * 3 + (BOND,) * 3 + (OVERALL,)
    assert cutoff_share(instrument) == 30 / 40
    marks = [
        marks_as_given(cohort, client, t)
        for client, t in np.argwhere(cohort.present & ~cohort.declined).tolist()
    ]
    assert {mark for form in marks for mark in form} == {None, 1.0, 1.5, 2.0, 2.5, 3.0, 3.5, 4.0}
    assert {form.count(None) for form in marks} == {0, 1}
    assert (
        np.mean([form[1] for form in marks if form[1]])
        < 2.5
        < np.mean([form[0] for form in marks if form[0]])
    )


def test_a_cohort_of_ones_own_instrument_is_assessed_and_its_ruptures_are_found(
    own_catalogue: Catalogue, detector: TrainedDetector
) -> None:
    rng = np.random.default_rng(3)
    cohort = simulate(rng, 200, typical_world(own_catalogue.get("ten"), rng))
    risk = assess_cohort(detector, cohort).risk
    rupture = cohort.rupture & cohort.present
    assert np.nanmean(risk[rupture]) > 3 * np.nanmean(risk[cohort.present & ~rupture])


def test_forms_of_a_cohort_are_its_columns() -> None:
    small = simulate(np.random.default_rng(2), 5)
    forms = forms_of(small, 0)
    np.testing.assert_array_equal(small.forms[0][small.present[0]], form_matrix(forms))


@pytest.fixture(scope="module")
def network(tmp_path_factory: pytest.TempPathFactory) -> tuple[list[dict[str, object]], dict[str, object]]:
    """What `rapport simulate` writes: the lines and the truth."""
    folder = tmp_path_factory.mktemp("network")
    _simulate(folder)
    lines = [json.loads(line) for line in (folder / "ratings.ndjson").read_text().splitlines()]
    return lines, json.loads((folder / "truth.json").read_text())


def _simulate(folder: Path) -> None:
    app = Typer()
    register(app)
    files = ["--ratings", str(folder / "ratings.ndjson"), "--truth", str(folder / "truth.json")]
    done = CliRunner().invoke(app, ["simulate", *files, "--seed", "7", "--end", END.isoformat()])
    assert done.exit_code == 0, done.output


Network = tuple[list[dict[str, object]], dict[str, object]]


def _refusal(rating: object, catalogue: Catalogue) -> bool:
    try:
        body = RatingBody.model_validate(rating)
        if body.status is Status.RATED:
            marks = Scores(**body.scores.model_dump()) if body.scores else body.items
            score(catalogue.get(body.instrument), marks or ())
    except (ValidationError, InvalidInput):
        return True
    return False


def test_just_the_ratings_said_to_be_refused_break_the_contract(network: Network) -> None:
    catalogue = Catalogue.load()
    for line in network[0]:
        assert (line["expect"] == "refused") is _refusal(line["rating"], catalogue), line["why"]


def test_everything_that_goes_wrong_in_practice_is_there(network: Network) -> None:
    why = Counter(str(line["why"]) for line in network[0])
    expected = {"in time", "late", "declined", "sent twice", "corrected", "withdrawn"}
    assert expected <= {name for name, count in why.items() if count >= 5}
    assert sum(line["expect"] == "refused" for line in network[0]) >= 6


def test_the_network_has_the_sizes_asked_for_and_all_instruments(network: Network) -> None:
    lines, truth = network
    dyads = truth["dyads"]
    assert isinstance(dyads, list)
    assert len(dyads) == 200
    assert len({dyad["practice"] for dyad in dyads}) == 3
    assert 20 <= len({dyad["therapist_id"] for dyad in dyads}) <= 25
    assert {instrument.id for instrument in catalogue_instruments()} == {dyad["instrument"] for dyad in dyads}
    assert 2000 < len(lines) < 3000


def test_the_sessions_end_in_the_week_before_the_end(network: Network) -> None:
    bodies = [
        RatingBody.model_validate(line["rating"]) for line in network[0] if line["expect"] == "accepted"
    ]
    newest = max(body.session_at for body in bodies)
    assert timedelta(0) < END - newest < timedelta(days=7)
    assert max(body.recorded_at or END for body in bodies) <= END


def test_planted_ruptures_name_sessions_of_their_dyad(network: Network) -> None:
    dyads = network[1]["dyads"]
    assert isinstance(dyads, list)
    planted = [(dyad, rupture) for dyad in dyads for rupture in dyad["ruptures"]]
    assert len(planted) > 30
    for dyad, rupture in planted:
        sessions = dyad["sessions"]
        assert sessions.index(rupture["first_session"]) <= sessions.index(rupture["last_session"])
        assert rupture["components"]


def test_the_same_seed_and_end_give_the_same_files(tmp_path: Path) -> None:
    texts = []
    for name in ("one", "other"):
        (tmp_path / name).mkdir()
        _simulate(tmp_path / name)
        texts.append((tmp_path / name / "ratings.ndjson").read_text())
    assert texts[0] == texts[1]
