"""A network that is missing, damaged, foreign or of the wrong signs is refused with what to do about it."""

import hashlib
import json
import shutil
from collections.abc import Callable
from dataclasses import asdict
from io import BytesIO
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from lab.training.candidate import write_candidate
from lab.training.train import TrainingPlan, train
from services.detector.domain.detector import DyadForms
from services.detector.model.artefact import (
    MODEL_FILE,
    NETWORK_FILE,
    REFERENCE_FILE,
    SHIPPED,
    load,
    save,
)
from services.detector.model.classifier import NetworkBlend
from services.detector.model.manifest import (
    MANIFEST_FILE,
    TrainingRecord,
    UnusableModel,
    model_version,
    read_manifest,
)
from services.detector.model.network_file import NAMES, network_bytes, network_of, read_network
from services.detector.model.trained_detector import TrainedDetector
from tests.support.detector.learning import learned
from tests.support.detector.networks import Arrays, network_blend, random_arrays

TRAINING = TrainingRecord(seed=1, cohorts=1, clients=1, rows=1, calibration_cohorts=1, calibration_rows=1)


@pytest.fixture(scope="module")
def saved(detector: TrainedDetector, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return the folder of a model with a random network."""
    folder = tmp_path_factory.mktemp("model")
    save(
        folder,
        network_blend(detector),
        threshold=0.3,
        flagged_per_100_stable=5.0,
        predictions_sha256="0" * 64,
        training=TRAINING,
        network=network_of(random_arrays(1)),
    )
    return folder


@pytest.fixture
def folder(saved: Path, tmp_path: Path) -> Path:
    """Return a copy that a test may damage."""
    copy = tmp_path / "model"
    shutil.copytree(saved, copy)
    return copy


def _edit(folder: Path, **changes: object) -> None:
    file = folder / MANIFEST_FILE
    file.write_text(json.dumps(json.loads(file.read_text()) | changes))


def _replace(folder: Path, content: bytes) -> None:
    (folder / NETWORK_FILE).write_bytes(content)
    _edit(folder, network_sha256=hashlib.sha256(content).hexdigest())


def _npz(arrays: Arrays, *, allow_pickle: bool = False) -> bytes:
    file = BytesIO()
    np.savez(file, allow_pickle=allow_pickle, **arrays)
    return file.getvalue()


def test_a_model_with_a_network_loads_as_it_was_saved(
    saved: Path, histories: list[Any], detector: TrainedDetector
) -> None:
    loaded = load(saved)
    assert loaded.network is not None
    expected = network_of(random_arrays(1))
    for name, array in asdict(loaded.network.weights).items():
        assert np.array_equal(array, getattr(expected.weights, name))
    assert loaded.uses_statistics
    assert read_manifest(saved).format == 2
    risks = [one.risk for one in loaded.assess([DyadForms(None, histories[0])])[0].assessments]
    assert risks != [one.risk for one in detector.assess([DyadForms(None, histories[0])])[0].assessments]


def test_the_same_network_gives_the_same_file() -> None:
    network = network_of(random_arrays(1))
    content = network_bytes(network)
    assert content == network_bytes(network)
    assert content == network_bytes(read_network(content))


def test_another_network_is_another_version() -> None:
    versions = {model_version("0" * 64, 0.3, sha256) for sha256 in (None, "1" * 64, "2" * 64)}
    assert len(versions) == 3


def test_a_model_without_a_network_keeps_its_version() -> None:
    manifest = read_manifest(SHIPPED)
    if manifest.network_sha256 is None:
        assert model_version(manifest.predictions_sha256, manifest.threshold) == manifest.version


def test_a_missing_network_is_refused(folder: Path) -> None:
    (folder / NETWORK_FILE).unlink()
    with pytest.raises(UnusableModel, match=r"network\.npz cannot be read: restore"):
        load(folder)


def test_a_network_that_was_cut_off_is_refused(folder: Path) -> None:
    content = (folder / NETWORK_FILE).read_bytes()
    (folder / NETWORK_FILE).write_bytes(content[: len(content) // 2])
    with pytest.raises(UnusableModel, match="hash differs"):
        load(folder)


def test_one_changed_byte_of_the_network_is_refused(folder: Path) -> None:
    content = bytearray((folder / NETWORK_FILE).read_bytes())
    content[len(content) // 2] ^= 1
    (folder / NETWORK_FILE).write_bytes(content)
    with pytest.raises(UnusableModel, match="hash differs"):
        load(folder)


@pytest.mark.parametrize(
    "damage",
    [
        lambda content: content[: len(content) // 2],
        lambda content: b"",
        lambda content: b"not a network",
        lambda content: content[:2000] + bytes(200) + content[2200:],
    ],
    ids=["cut off", "empty", "foreign", "overwritten"],
)
def test_a_damaged_network_is_refused_even_when_its_hash_matches(
    damage: Callable[[bytes], bytes], folder: Path
) -> None:
    _replace(folder, damage((folder / NETWORK_FILE).read_bytes()))
    with pytest.raises(UnusableModel, match="the network cannot be read"):
        load(folder)


def test_a_pickled_array_is_not_opened(folder: Path) -> None:
    arrays = random_arrays(1) | {"bias": np.array({"a": 1}, dtype=object)}
    _replace(folder, _npz(arrays, allow_pickle=True))
    with pytest.raises(UnusableModel, match=r"the network cannot be read \(ValueError\)"):
        load(folder)


def _with(name: str, change: Callable[[Any], Any]) -> Arrays:
    arrays = random_arrays(1)
    return arrays | {name: np.asarray(change(arrays[name]))}


def _one_number(value: float) -> Callable[[NDArray[Any]], NDArray[Any]]:
    def change(array: NDArray[Any]) -> NDArray[Any]:
        changed = array.copy()
        changed.flat[-1] = value
        return changed

    return change


@pytest.mark.parametrize("name", NAMES)
def test_an_array_of_another_shape_is_refused(name: str) -> None:
    with pytest.raises(UnusableModel, match="has the shape"):
        network_of(_with(name, lambda array: array[None]))


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("value", [np.nan, np.inf])
def test_a_number_that_is_not_finite_is_refused(name: str, value: float) -> None:
    with pytest.raises(UnusableModel, match=f"array {name} holds numbers that are not finite"):
        network_of(_with(name, _one_number(value)))


@pytest.mark.parametrize("name", ["m_level", "m_top", "m_value", "level_weight", "top_weight"])
def test_a_negative_weight_that_would_break_the_monotone_promise_is_refused(name: str) -> None:
    with pytest.raises(UnusableModel, match=f"array {name} has negative numbers"):
        network_of(_with(name, _one_number(-0.1)))


@pytest.mark.parametrize("value", [0.0, -1.0])
def test_a_standard_deviation_that_is_not_positive_is_refused(value: float) -> None:
    with pytest.raises(UnusableModel, match="statistics_sd is not above 0"):
        network_of(_with("statistics_sd", _one_number(value)))


@pytest.mark.parametrize("row", [2, 13], ids=["level", "top"])
@pytest.mark.parametrize("unit", [0, 15], ids=["monotone", "free"])
def test_a_unit_of_the_shape_that_reads_the_level_or_the_top_is_refused(row: int, unit: int) -> None:
    arrays = random_arrays(1)
    arrays["head_x"][row, unit] = 0.01
    with pytest.raises(UnusableModel, match="head_x reads the level or the top"):
        network_of(arrays)


@pytest.mark.parametrize("name", ["w", "u", "head_h", "head_x"])
def test_weights_too_large_for_exact_sums_are_refused(name: str) -> None:
    with pytest.raises(UnusableModel, match=f"{name} has weights into one unit that add up to more than 256"):
        network_of(_with(name, _one_number(300.0)))


def test_whole_numbers_are_refused() -> None:
    with pytest.raises(UnusableModel, match="b holds int64 instead of floating-point numbers"):
        network_of(_with("b", lambda array: array.astype(np.int64)))


def test_a_missing_and_an_unknown_array_are_refused() -> None:
    arrays = random_arrays(1)
    arrays["other"] = arrays.pop("c")
    with pytest.raises(UnusableModel, match=r"lacks the arrays \['c'\] and has unknown ones \['other'\]"):
        network_of(arrays)


def test_a_manifest_of_the_other_format_is_refused(folder: Path) -> None:
    _edit(folder, format=1)
    with pytest.raises(UnusableModel, match="has format 1 and a network"):
        load(folder)


def test_a_manifest_that_does_not_name_the_network_is_refused(folder: Path) -> None:
    _edit(folder, network_sha256=None)
    with pytest.raises(UnusableModel, match="has format 2 and no network"):
        load(folder)


def test_trees_that_were_fitted_without_the_network_are_refused(
    folder: Path, detector: TrainedDetector
) -> None:
    _edit(folder, format=1, network_sha256=None)
    with pytest.raises(UnusableModel, match="were fitted with a network"):
        load(folder)


def test_another_network_scores_the_heartbeat_differently_and_is_refused(folder: Path) -> None:
    _replace(folder, network_bytes(network_of(random_arrays(2))))
    with pytest.raises(UnusableModel, match="scores its heartbeat history differently"):
        load(folder)


def test_a_candidate_keeps_the_network_of_its_base(saved: Path, tmp_path: Path) -> None:
    manifest = write_candidate(saved, tmp_path / "candidate", learned(intercept=-0.4))
    assert manifest.network_sha256 == read_manifest(saved).network_sha256
    assert load(tmp_path / "candidate").network is not None
    names = {file.name for file in (tmp_path / "candidate").iterdir()}
    assert names == {MODEL_FILE, NETWORK_FILE, MANIFEST_FILE}
    assert REFERENCE_FILE not in names


def test_a_blend_is_fitted_with_a_network_and_saved_with_it(tmp_path: Path) -> None:
    plan = TrainingPlan(seed=3, cohorts=10, clients=20, rows=2000, calibration_cohorts=5, trees=5)
    trained = train(plan, lambda *_: None, network_of(random_arrays(1)))
    assert isinstance(trained.classifier, NetworkBlend)
    assert min(trained.classifier.weights[:3]) >= 0
    manifest = save(
        tmp_path,
        trained.classifier,
        threshold=trained.threshold,
        flagged_per_100_stable=5.0,
        predictions_sha256=trained.predictions_sha256,
        training=trained.training,
        network=trained.network,
    )
    assert manifest.version == load(tmp_path).version
