"""Saves a trained model with its manifest in a folder, and loads it if everything matches.

Loading fails closed: a file that is missing, truncated, foreign or of another hash, and a model of another
feature order or library, or that scores the heartbeat's history differently than where it was trained, is
refused with a message that states what to do.
"""

import hashlib
from pathlib import Path
from zipfile import BadZipFile

from pydantic import ValidationError
from skops.io import dumps, get_untrusted_types, loads

from services.detector.domain.detector import DyadForms, HeartbeatHistory
from services.detector.domain.reference import Reference
from services.detector.features.extractor import FEATURES, FeatureExtractor
from services.detector.model.classifier import Classifier, Scorer
from services.detector.model.heartbeat_history import heartbeat_history
from services.detector.model.manifest import (
    FORMAT,
    Manifest,
    TrainingRecord,
    UnusableModel,
    check_compatible,
    installed_libraries,
    model_version,
    read_manifest,
    write_manifest,
)
from services.detector.model.recalibration import Recalibration
from services.detector.model.trained_detector import TrainedDetector

SHIPPED = Path(__file__).parent / "shipped"
MODEL_FILE = "model.skops"
REFERENCE_FILE = "reference.json"

_TRUSTED = frozenset(
    {
        "services.detector.model.classifier.Blend",
        "sklearn.ensemble._hist_gradient_boosting.predictor.TreePredictor",
    }
)
"""The types that a model may hold beside those that skops trusts by itself."""
_RISK_TOLERANCE = 1e-6
"""How far a risk may differ between processors."""


def detector_of(classifier: Classifier, version: str, threshold: float) -> TrainedDetector:
    """Return a detector of a classifier in memory; its heartbeat expects the risk that it computes itself."""
    bare = _detector(classifier, version, threshold)
    return _detector(classifier, version, threshold, expected_risk=heartbeat_risks(bare)[-1])


def heartbeat_risks(detector: TrainedDetector) -> tuple[float, ...]:
    """Return the risk after each form of the heartbeat's history."""
    result = detector.assess([DyadForms(None, detector.heartbeat.forms)])[0]
    return tuple(assessment.risk for assessment in result.assessments)


def _detector(
    classifier: Classifier,
    version: str,
    threshold: float,
    *,
    expected_risk: float = 0.0,
    recalibration: Recalibration | None = None,
) -> TrainedDetector:
    return TrainedDetector(
        version=version,
        threshold=threshold,
        features=FeatureExtractor(),
        scorer=Scorer(classifier, recalibration),
        heartbeat=HeartbeatHistory(tuple(heartbeat_history()), expected_risk),
    )


def save(
    folder: Path,
    classifier: Classifier,
    *,
    threshold: float,
    flagged_per_100_stable: float,
    predictions_sha256: str,
    training: TrainingRecord,
) -> Manifest:
    """Write the model and its manifest into `folder`, creating it if necessary, and return the manifest."""
    folder.mkdir(parents=True, exist_ok=True)
    content: bytes = dumps(classifier, compression=8, compresslevel=9)
    version = model_version(predictions_sha256, threshold)
    manifest = Manifest(
        format=FORMAT,
        version=version,
        sha256=hashlib.sha256(content).hexdigest(),
        libraries=installed_libraries(),
        features=FEATURES,
        threshold=threshold,
        flagged_per_100_stable=flagged_per_100_stable,
        heartbeat_risks=heartbeat_risks(detector_of(classifier, version, threshold)),
        predictions_sha256=predictions_sha256,
        training=training,
    )
    (folder / MODEL_FILE).write_bytes(content)
    write_manifest(folder, manifest)
    return manifest


def load(folder: Path = SHIPPED) -> TrainedDetector:
    """Return the detector in a folder, with its reference.

    Raises:
        UnusableModel: anything at all does not match.
    """
    detector = load_without_reference(folder)
    detector.reference = read_reference(folder, read_manifest(folder))
    return detector


def load_without_reference(folder: Path) -> TrainedDetector:
    """Return the detector in a folder without reading its reference.

    Raises:
        UnusableModel: anything at all does not match.
    """
    manifest = read_manifest(folder)
    check_compatible(folder, manifest)
    classifier = _read_model(folder, manifest)
    detector = _detector(
        classifier,
        manifest.version,
        manifest.threshold,
        expected_risk=manifest.heartbeat_risks[-1],
        recalibration=manifest.recalibration,
    )
    risks = heartbeat_risks(detector)
    same = len(risks) == len(manifest.heartbeat_risks) and all(
        abs(risk - trained) <= _RISK_TOLERANCE
        for risk, trained in zip(risks, manifest.heartbeat_risks, strict=True)
    )
    if not same:
        raise UnusableModel(
            f"the model in {folder} scores its heartbeat history differently than when it was trained: "
            "the features have changed since, so train it again (rapport train)"
        )
    return detector


def recalibrated(
    folder: Path, recalibration: Recalibration, version: str, threshold: float
) -> TrainedDetector:
    """Return the model in a folder with this recalibration instead of its own, as another version.

    Raises:
        UnusableModel: the model in the folder cannot be used as it is.
    """
    load(folder)
    classifier = _read_model(folder, read_manifest(folder))
    return _detector(classifier, version, threshold, recalibration=recalibration)


def read_reference(folder: Path, manifest: Manifest) -> Reference | None:
    """Return the reference beside a model; None if the manifest names none.

    Raises:
        UnusableModel: the file is not the one that the manifest names.
    """
    if manifest.reference_sha256 is None:
        return None
    file = folder / REFERENCE_FILE
    try:
        content = file.read_bytes()
        _check_hash(file, content, manifest.reference_sha256)
        return Reference.model_validate_json(content)
    except OSError:
        raise UnusableModel(
            f"{file} cannot be read: restore it, or make it again (rapport models reference)"
        ) from None
    except ValidationError:
        message = f"{file} is not a valid reference: make it again (rapport models reference)"
        raise UnusableModel(message) from None


def write_reference(folder: Path, reference: Reference) -> None:
    """Write a reference beside a model, and its hash into the manifest."""
    content = (reference.model_dump_json(indent=2) + "\n").encode()
    (folder / REFERENCE_FILE).write_bytes(content)
    digest = hashlib.sha256(content).hexdigest()
    write_manifest(folder, read_manifest(folder).model_copy(update={"reference_sha256": digest}))


def _check_hash(file: Path, content: bytes, sha256: str) -> None:
    if hashlib.sha256(content).hexdigest() != sha256:
        raise UnusableModel(
            f"{file} is not the file that the manifest describes (its hash differs): restore both"
        )


def _read_model(folder: Path, manifest: Manifest) -> Classifier:
    file = folder / MODEL_FILE
    try:
        content = file.read_bytes()
    except OSError:
        raise UnusableModel(f"{file} cannot be read: restore it, or train it again (rapport train)") from None
    _check_hash(file, content, manifest.sha256)
    try:
        foreign = set(get_untrusted_types(data=content)) - _TRUSTED
        if foreign:
            raise UnusableModel(f"{file} holds types that no model of ours has: {', '.join(sorted(foreign))}")
        classifier: Classifier = loads(content, trusted=sorted(_TRUSTED))
    except (BadZipFile, ValueError, KeyError, TypeError) as error:
        raise UnusableModel(
            f"{file} cannot be read as a model ({type(error).__name__}): restore it"
        ) from None
    return classifier
