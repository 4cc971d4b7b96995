"""Saves a trained model with its manifest in a folder, and loads it if everything matches.

Loading fails closed: a file that is missing, truncated, foreign or of another hash, and a model of another
feature order or library, or that scores the heartbeat's history differently than where it was trained, is
refused with a message that states what to do.
"""

import hashlib
from collections.abc import Mapping
from pathlib import Path
from zipfile import BadZipFile

from pydantic import ValidationError
from skops.io import dumps, get_untrusted_types, loads

from services.detector.domain.detector import DyadForms, HeartbeatHistory
from services.detector.domain.message_precision import MeasuredPrecision
from services.detector.domain.reference import Reference
from services.detector.features.extractor import FEATURES, FeatureExtractor
from services.detector.model.classifier import Blend, Classifier, NetworkBlend, Scorer
from services.detector.model.heartbeat_history import heartbeat_history
from services.detector.model.manifest import (
    Manifest,
    TrainingRecord,
    UnusableModel,
    check_compatible,
    format_of,
    installed_libraries,
    model_version,
    read_manifest,
    write_manifest,
)
from services.detector.model.network import Network
from services.detector.model.network_file import network_bytes, read_network
from services.detector.model.recalibration import Recalibration
from services.detector.model.trained_detector import TrainedDetector

SHIPPED = Path(__file__).parent / "shipped"
MODEL_FILE = "model.skops"
NETWORK_FILE = "network.npz"
REFERENCE_FILE = "reference.json"

_TRUSTED = frozenset(
    {
        "services.detector.model.classifier.Blend",
        "services.detector.model.classifier.NetworkBlend",
        "sklearn.ensemble._hist_gradient_boosting.predictor.TreePredictor",
    }
)
"""The types that a model may hold beside those that skops trusts by itself."""
_RISK_TOLERANCE = 1e-6
"""How far a risk may differ between processors."""


def detector_of(
    classifier: Classifier, version: str, threshold: float, network: Network | None = None
) -> TrainedDetector:
    """Return a detector of a classifier in memory; its heartbeat expects the risk that it computes itself.

    `network` is the one that the classifier was fitted with; None if with none.
    """
    bare = _detector(classifier, network, version, threshold)
    return _detector(classifier, network, version, threshold, expected_risk=heartbeat_risks(bare)[-1])


def heartbeat_risks(detector: TrainedDetector) -> tuple[float, ...]:
    """Return the risk after each form of the heartbeat's history."""
    result = detector.assess([DyadForms(None, detector.heartbeat.forms)])[0]
    return tuple(assessment.risk for assessment in result.assessments)


def _detector(
    classifier: Classifier,
    network: Network | None,
    version: str,
    threshold: float,
    *,
    expected_risk: float = 0.0,
    recalibration: Recalibration | None = None,
    message_precision: Mapping[str, MeasuredPrecision] | None = None,
) -> TrainedDetector:
    return TrainedDetector(
        version=version,
        threshold=threshold,
        features=FeatureExtractor(),
        scorer=Scorer(classifier, recalibration),
        heartbeat=HeartbeatHistory(tuple(heartbeat_history()), expected_risk),
        network=network,
        message_precision=message_precision,
    )


def save(
    folder: Path,
    classifier: Classifier,
    *,
    threshold: float,
    flagged_per_100_stable: float,
    predictions_sha256: str,
    training: TrainingRecord,
    network: Network | None = None,
) -> Manifest:
    """Write the model and its manifest into `folder`, creating it if necessary, and return the manifest."""
    folder.mkdir(parents=True, exist_ok=True)
    content: bytes = dumps(classifier, compression=8, compresslevel=9)
    of_network = None if network is None else network_bytes(network)
    network_sha256 = None if of_network is None else hashlib.sha256(of_network).hexdigest()
    version = model_version(predictions_sha256, threshold, network_sha256)
    manifest = Manifest(
        format=format_of(network_sha256),
        version=version,
        sha256=hashlib.sha256(content).hexdigest(),
        libraries=installed_libraries(),
        features=FEATURES,
        threshold=threshold,
        flagged_per_100_stable=flagged_per_100_stable,
        heartbeat_risks=heartbeat_risks(detector_of(classifier, version, threshold, network)),
        predictions_sha256=predictions_sha256,
        training=training,
        network_sha256=network_sha256,
    )
    (folder / MODEL_FILE).write_bytes(content)
    if of_network is not None:
        (folder / NETWORK_FILE).write_bytes(of_network)
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
    detector = _detector(
        *_read_model(folder, manifest),
        manifest.version,
        manifest.threshold,
        expected_risk=manifest.heartbeat_risks[-1],
        recalibration=manifest.recalibration,
        message_precision=manifest.message_precision,
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
    classifier, network = _read_model(folder, read_manifest(folder))
    return _detector(classifier, network, version, threshold, recalibration=recalibration)


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


def _read_model(folder: Path, manifest: Manifest) -> tuple[Classifier, Network | None]:
    classifier, network = _read_classifier(folder, manifest), _read_network(folder, manifest)
    if classifier.uses_network != (network is not None):
        raise UnusableModel(
            f"the trees in {folder} were fitted {'with' if classifier.uses_network else 'without'} a network,"
            " the manifest states otherwise: restore the model"
        )
    return classifier, network


def _read_network(folder: Path, manifest: Manifest) -> Network | None:
    if manifest.network_sha256 is None:
        return None
    file = folder / NETWORK_FILE
    try:
        content = file.read_bytes()
    except OSError:
        raise UnusableModel(f"{file} cannot be read: restore it, or train it again (rapport train)") from None
    _check_hash(file, content, manifest.network_sha256)
    return read_network(content)


def _read_classifier(folder: Path, manifest: Manifest) -> Classifier:
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
        classifier = loads(content, trusted=sorted(_TRUSTED))
    except (BadZipFile, ValueError, KeyError, TypeError) as error:
        raise UnusableModel(
            f"{file} cannot be read as a model ({type(error).__name__}): restore it"
        ) from None
    if not isinstance(classifier, Blend | NetworkBlend):
        raise UnusableModel(f"{file} holds a {type(classifier).__name__} instead of a classifier: restore it")
    return classifier
