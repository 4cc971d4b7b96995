"""A trained model in, a folder out, and back: `model.skops` and a manifest that says what must match.

Loading fails closed: a file that is missing, cut off, foreign, of another hash, feature order or library, or
that scores the heartbeat's history otherwise than where it was trained, is refused with what to do about it.
"""

import hashlib
import importlib.metadata
from pathlib import Path
from zipfile import BadZipFile

from pydantic import BaseModel, ConfigDict, Field, ValidationError
from skops.io import dumps, get_untrusted_types, loads

from services.detector.domain.detector import DyadForms, HeartbeatHistory
from services.detector.domain.reference import Reference
from services.detector.features.extractor import FEATURES, FeatureExtractor
from services.detector.model.classifier import Classifier, Scorer
from services.detector.model.heartbeat_history import heartbeat_history
from services.detector.model.recalibration import Recalibration
from services.detector.model.trained_detector import TrainedDetector
from services.runtime.process.errors import Halt

SHIPPED = Path(__file__).parent / "shipped"
MODEL_FILE = "model.skops"
MANIFEST_FILE = "manifest.json"
REFERENCE_FILE = "reference.json"
FORMAT = 1

_TRUSTED = frozenset(
    {
        "services.detector.model.classifier.Blend",
        "sklearn.ensemble._hist_gradient_boosting.predictor.TreePredictor",
    }
)
"""All that a model may be made of beside what skops trusts by itself."""
_EXACT = ("scikit-learn",)
_MAJOR = ("numpy", "skops")
_LIBRARIES = (*_EXACT, *_MAJOR)
_CLOSE = 1e-6
"""How far a risk may differ between processors."""


class UnusableModel(Halt):
    """An artefact cannot be trusted; the message says why and what to do."""


class TrainingRecord(BaseModel):
    """What the model was trained on: with the same code these numbers give the same predictions."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    seed: int
    cohorts: int
    clients: int
    rows: int
    calibration_cohorts: int
    calibration_rows: int


class Manifest(BaseModel):
    """What must match before a model is used."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    format: int
    version: str = Field(min_length=1)
    sha256: str
    libraries: dict[str, str]
    features: tuple[str, ...]
    threshold: float = Field(gt=0, lt=1)
    flagged_per_100_stable: float
    """The false-alarm budget that the threshold was chosen for."""
    heartbeat_risks: tuple[float, ...]
    predictions_sha256: str
    """Of the risks of the calibration cohorts: equal when training was repeated faithfully."""
    training: TrainingRecord
    recalibration: Recalibration | None = None
    """What therapists' answers taught, after the model itself; None: nothing."""
    learned_from: str | None = None
    """The version of the model that was corrected."""
    reference_sha256: str | None = None
    """Of `REFERENCE_FILE`; None: there is none."""


def libraries() -> dict[str, str]:
    """The versions that are installed."""
    return {name: importlib.metadata.version(name) for name in _LIBRARIES}


def detector_of(classifier: Classifier, version: str, threshold: float) -> TrainedDetector:
    """A detector of a classifier in memory; its heartbeat expects what it scores itself."""
    history = tuple(heartbeat_history())
    bare = _detector(classifier, version, threshold, HeartbeatHistory(history, 0.0))
    return _detector(classifier, version, threshold, HeartbeatHistory(history, heartbeat_risks(bare)[-1]))


def heartbeat_risks(detector: TrainedDetector) -> tuple[float, ...]:
    """The risks after each form of the heartbeat's history."""
    found = detector.assess([DyadForms(None, detector.heartbeat.forms)])[0]
    return tuple(assessment.risk for assessment in found.assessments)


def _detector(
    classifier: Classifier,
    version: str,
    threshold: float,
    heartbeat: HeartbeatHistory,
    recalibration: Recalibration | None = None,
) -> TrainedDetector:
    return TrainedDetector(
        version=version,
        threshold=threshold,
        features=FeatureExtractor(),
        scorer=Scorer(classifier, recalibration),
        heartbeat=heartbeat,
    )


def version_of(predictions_sha256: str, threshold: float) -> str:
    """Names a model by what it says: it changes whenever a prediction or the threshold does."""
    told = f"{FORMAT} {predictions_sha256} {threshold} {' '.join(FEATURES)}"
    return f"gb-{hashlib.sha256(told.encode()).hexdigest()[:12]}"


def save(
    folder: Path,
    classifier: Classifier,
    *,
    threshold: float,
    flagged_per_100_stable: float,
    predictions_sha256: str,
    training: TrainingRecord,
) -> Manifest:
    """Write the model and its manifest into `folder`, which is made if need be."""
    folder.mkdir(parents=True, exist_ok=True)
    content: bytes = dumps(classifier, compression=8, compresslevel=9)
    version = version_of(predictions_sha256, threshold)
    manifest = Manifest(
        format=FORMAT,
        version=version,
        sha256=hashlib.sha256(content).hexdigest(),
        libraries=libraries(),
        features=FEATURES,
        threshold=threshold,
        flagged_per_100_stable=flagged_per_100_stable,
        heartbeat_risks=heartbeat_risks(detector_of(classifier, version, threshold)),
        predictions_sha256=predictions_sha256,
        training=training,
    )
    (folder / MODEL_FILE).write_bytes(content)
    (folder / MANIFEST_FILE).write_text(manifest.model_dump_json(indent=2) + "\n", encoding="utf-8")
    return manifest


def load(folder: Path = SHIPPED) -> TrainedDetector:
    """The detector in a folder, with what it was made on.

    Raises:
        UnusableModel: anything at all does not match.
    """
    detector = load_bare(folder)
    detector.reference = read_reference(folder, read_manifest(folder))
    return detector


def load_bare(folder: Path) -> TrainedDetector:
    """The detector in a folder, whatever lies beside it.

    Raises:
        UnusableModel: anything at all does not match.
    """
    manifest = read_manifest(folder)
    _check(folder, manifest)
    classifier = _read_model(folder, manifest)
    history = tuple(heartbeat_history())
    expected = HeartbeatHistory(history, manifest.heartbeat_risks[-1])
    detector = _detector(classifier, manifest.version, manifest.threshold, expected, manifest.recalibration)
    risks = heartbeat_risks(detector)
    same = len(risks) == len(manifest.heartbeat_risks) and all(
        abs(now - then) <= _CLOSE for now, then in zip(risks, manifest.heartbeat_risks, strict=True)
    )
    if not same:
        raise UnusableModel(
            f"the model in {folder} scores its heartbeat history otherwise than when it was trained: "
            "the features have changed since, so train it again (rapport train)"
        )
    return detector


def corrected(folder: Path, recalibration: Recalibration, version: str, threshold: float) -> TrainedDetector:
    """The model in a folder with this correction in place of its own, under another name.

    Raises:
        UnusableModel: the model in the folder cannot be used as it is.
    """
    load(folder)
    classifier = _read_model(folder, read_manifest(folder))
    history = HeartbeatHistory(tuple(heartbeat_history()), 0.0)
    return _detector(classifier, version, threshold, history, recalibration)


def read_manifest(folder: Path) -> Manifest:
    """The manifest of a folder.

    Raises:
        UnusableModel: it is missing or is no manifest.
    """
    try:
        return Manifest.model_validate_json((folder / MANIFEST_FILE).read_bytes())
    except OSError:
        raise UnusableModel(
            f"{folder / MANIFEST_FILE} cannot be read: point DETECTOR_MODEL_DIR at a model"
        ) from None
    except ValidationError as error:
        places = ", ".join(sorted({".".join(map(str, e["loc"])) or "the whole file" for e in error.errors()}))
        raise UnusableModel(
            f"{folder / MANIFEST_FILE} is no manifest (see {places}): restore the model"
        ) from None


def read_reference(folder: Path, manifest: Manifest) -> Reference | None:
    """What the model was made on, beside it; None where the manifest names none.

    Raises:
        UnusableModel: it is not the file that the manifest names.
    """
    if manifest.reference_sha256 is None:
        return None
    file = folder / REFERENCE_FILE
    try:
        content = file.read_bytes()
        if hashlib.sha256(content).hexdigest() != manifest.reference_sha256:
            raise UnusableModel(
                f"{file} is not the file that the manifest describes (its hash differs): restore both"
            )
        return Reference.model_validate_json(content)
    except OSError:
        raise UnusableModel(
            f"{file} cannot be read: restore it, or make it again (rapport models reference)"
        ) from None
    except ValidationError:
        raise UnusableModel(f"{file} is no reference: make it again (rapport models reference)") from None


def write_reference(folder: Path, reference: Reference) -> None:
    """Put a reference beside a model, in its manifest too."""
    content = (reference.model_dump_json(indent=2) + "\n").encode()
    (folder / REFERENCE_FILE).write_bytes(content)
    manifest = read_manifest(folder).model_copy(
        update={"reference_sha256": hashlib.sha256(content).hexdigest()}
    )
    (folder / MANIFEST_FILE).write_text(manifest.model_dump_json(indent=2) + "\n", encoding="utf-8")


def _check(folder: Path, manifest: Manifest) -> None:
    if manifest.format != FORMAT:
        raise UnusableModel(f"the model in {folder} has format {manifest.format}, this code reads {FORMAT}")
    if manifest.features != FEATURES:
        raise UnusableModel(
            f"the model in {folder} was trained on other features or another order: train it again"
        )
    if not manifest.heartbeat_risks:
        raise UnusableModel(f"the manifest in {folder} holds no heartbeat risks: restore the model")
    installed = libraries()
    for name in _LIBRARIES:
        trained, here = manifest.libraries.get(name, "an unknown version"), installed[name]
        same = trained == here if name in _EXACT else trained.split(".")[0] == here.split(".")[0]
        if not same:
            raise UnusableModel(
                f"the model in {folder} was trained with {name} {trained} and {here} is installed: "
                "install the locked requirements, or train it again (rapport train)"
            )


def _read_model(folder: Path, manifest: Manifest) -> Classifier:
    file = folder / MODEL_FILE
    try:
        content = file.read_bytes()
    except OSError:
        raise UnusableModel(f"{file} cannot be read: restore it, or train it again (rapport train)") from None
    if hashlib.sha256(content).hexdigest() != manifest.sha256:
        raise UnusableModel(
            f"{file} is not the file that the manifest describes (its hash differs): restore both"
        )
    try:
        foreign = set(get_untrusted_types(data=content)) - _TRUSTED
        if foreign:
            raise UnusableModel(f"{file} holds more than a model of ours: {', '.join(sorted(foreign))}")
        classifier: Classifier = loads(content, trusted=sorted(_TRUSTED))
    except (BadZipFile, ValueError, KeyError, TypeError) as error:
        raise UnusableModel(
            f"{file} cannot be read as a model ({type(error).__name__}): restore it"
        ) from None
    return classifier
