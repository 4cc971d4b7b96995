"""A model that is missing, truncated, foreign or made for other code is refused with what to do about it."""

import hashlib
import json
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest
from skops.io import dump

from lab.evaluation.paired_comparison import MODEL_BEFORE
from lab.training.train import TrainingPlan, train
from services.detector.domain.detector import DyadForms
from services.detector.model.artefact import (
    MODEL_FILE,
    REFERENCE_FILE,
    SHIPPED,
    heartbeat_risks,
    load,
    save,
)
from services.detector.model.manifest import MANIFEST_FILE, UnusableModel, read_manifest
from services.runtime.process.errors import Halt


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Return a copy of the shipped model that a test may damage."""
    copy = tmp_path / "model"
    shutil.copytree(SHIPPED, copy)
    return copy


def _edit(folder: Path, change: Callable[[dict[str, object]], object]) -> None:
    file = folder / MANIFEST_FILE
    manifest = json.loads(file.read_text())
    change(manifest)
    file.write_text(json.dumps(manifest))


def _rehash(folder: Path) -> None:
    content = (folder / MODEL_FILE).read_bytes()
    _edit(folder, lambda m: m.update(sha256=hashlib.sha256(content).hexdigest()))


def test_the_shipped_model_loads(folder: Path) -> None:
    assert load().version == load(folder).version


def test_the_shipped_model_is_small() -> None:
    assert sum(file.stat().st_size for file in SHIPPED.iterdir()) < 3_000_000


def test_the_shipped_model_has_a_reference_of_its_training_data() -> None:
    reference = load().reference
    assert reference is not None
    assert reference.model_version == load().version
    assert sorted(reference.thresholds) == list(range(1, 21))


def test_a_reference_that_was_changed_is_refused(folder: Path) -> None:
    file = folder / REFERENCE_FILE
    file.write_text(file.read_text().replace("0.1", "0.2"))
    with pytest.raises(UnusableModel, match="is not the file that the manifest describes"):
        load(folder)


def test_a_reference_that_is_named_and_missing_is_refused(folder: Path) -> None:
    (folder / REFERENCE_FILE).unlink()
    with pytest.raises(UnusableModel, match="rapport models reference"):
        load(folder)


def test_a_model_without_a_reference_scores_all_the_same(folder: Path) -> None:
    (folder / REFERENCE_FILE).unlink()
    _edit(folder, lambda m: m.update(reference_sha256=None))
    assert load(folder).reference is None


def test_every_refusal_halts() -> None:
    assert issubclass(UnusableModel, Halt)


def test_a_missing_folder_is_refused(tmp_path: Path) -> None:
    with pytest.raises(UnusableModel, match="DETECTOR_MODEL_DIR"):
        load(tmp_path / "nowhere")


def test_a_missing_model_file_is_refused(folder: Path) -> None:
    (folder / MODEL_FILE).unlink()
    with pytest.raises(UnusableModel, match="cannot be read: restore"):
        load(folder)


def test_a_model_that_was_cut_off_is_refused(folder: Path) -> None:
    content = (folder / MODEL_FILE).read_bytes()
    (folder / MODEL_FILE).write_bytes(content[: len(content) // 2])
    with pytest.raises(UnusableModel, match="hash differs"):
        load(folder)


def test_a_cut_off_model_is_refused_even_when_its_hash_matches(folder: Path) -> None:
    content = (folder / MODEL_FILE).read_bytes()
    (folder / MODEL_FILE).write_bytes(content[: len(content) // 2])
    _rehash(folder)
    with pytest.raises(UnusableModel, match="cannot be read as a model"):
        load(folder)


def test_one_changed_byte_is_refused(folder: Path) -> None:
    content = bytearray((folder / MODEL_FILE).read_bytes())
    content[len(content) // 2] ^= 1
    (folder / MODEL_FILE).write_bytes(content)
    with pytest.raises(UnusableModel, match="hash differs"):
        load(folder)


def test_a_foreign_file_is_refused_even_when_its_hash_matches(folder: Path) -> None:
    dump(TrainingPlan(), folder / MODEL_FILE)
    _rehash(folder)
    with pytest.raises(UnusableModel, match=r"types that no model of ours has: .*TrainingPlan"):
        load(folder)


def test_a_file_that_is_no_model_is_refused_even_when_its_hash_matches(folder: Path) -> None:
    (folder / MODEL_FILE).write_text("not a model")
    _rehash(folder)
    with pytest.raises(UnusableModel, match="cannot be read as a model"):
        load(folder)


def test_another_order_of_features_is_refused(folder: Path) -> None:
    _edit(folder, lambda m: m.update(features=list(m["features"])[::-1]))  # type: ignore[call-overload]
    with pytest.raises(UnusableModel, match="in another order"):
        load(folder)


def test_another_library_version_is_refused(folder: Path) -> None:
    _edit(folder, lambda m: m["libraries"].update({"scikit-learn": "1.8.0"}))  # type: ignore[attr-defined]
    with pytest.raises(UnusableModel, match=r"scikit-learn 1\.8\.0 .* install the locked requirements"):
        load(folder)


def test_another_format_is_refused(folder: Path) -> None:
    _edit(folder, lambda m: m.update(format=3))
    with pytest.raises(UnusableModel, match="has format 3, this code reads 1 and 2"):
        load(folder)


def test_a_model_of_the_format_without_a_network_loads_and_scores_as_it_did() -> None:
    manifest = read_manifest(MODEL_BEFORE)
    assert manifest.format == 1
    model = load(MODEL_BEFORE)
    assert heartbeat_risks(model) == pytest.approx(manifest.heartbeat_risks, abs=1e-6)
    assert not model.uses_statistics
    assert model.assess([DyadForms(None, [])])[0].snapshot.startswith(b"RAP2")


def test_a_manifest_that_lacks_a_field_is_refused(folder: Path) -> None:
    _edit(folder, lambda m: m.pop("threshold"))
    with pytest.raises(UnusableModel, match=r"not a valid manifest .*threshold"):
        load(folder)


def test_a_manifest_that_was_cut_off_is_refused(folder: Path) -> None:
    text = (folder / MANIFEST_FILE).read_text()
    (folder / MANIFEST_FILE).write_text(text[: len(text) // 2])
    with pytest.raises(UnusableModel, match="not a valid manifest"):
        load(folder)


def test_a_model_that_scores_otherwise_than_it_was_trained_is_refused(folder: Path) -> None:
    _edit(folder, lambda m: m.update(heartbeat_risks=[0.5] * 7))
    with pytest.raises(UnusableModel, match="features have changed"):
        load(folder)


def test_the_same_seed_gives_the_same_predictions_and_a_model_that_loads(tmp_path: Path) -> None:
    plan = TrainingPlan(seed=3, cohorts=20, clients=20, rows=3000, calibration_cohorts=10, trees=10)
    once, again = (train(plan, lambda *_: None) for _ in range(2))
    assert once.predictions_sha256 == again.predictions_sha256
    manifest = save(
        tmp_path,
        once.classifier,
        threshold=once.threshold,
        flagged_per_100_stable=5.0,
        predictions_sha256=once.predictions_sha256,
        training=once.training,
    )
    assert manifest.version == load(tmp_path).version
