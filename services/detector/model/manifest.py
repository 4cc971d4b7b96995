"""Describes a trained model in a manifest, and checks that this code and its libraries can use the model."""

import hashlib
import importlib.metadata
from pathlib import Path

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from services.detector.domain.message_precision import MeasuredPrecision
from services.detector.features.extractor import FEATURES
from services.detector.model.recalibration import Recalibration
from services.runtime.process.errors import Halt

MANIFEST_FILE = "manifest.json"
FORMAT = 1
FORMAT_WITH_NETWORK = 2
"""The format of a model that has a network in a file beside it."""

_EXACT = ("scikit-learn",)
"""Libraries whose version must be the same: only then does the model load as it was trained."""
_MAJOR = ("numpy", "skops")
"""Libraries whose major version must be the same."""
_LIBRARIES = (*_EXACT, *_MAJOR)


class UnusableModel(Halt):
    """An artefact cannot be trusted; the message states why and what to do."""


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
    """Hash of the model file."""
    libraries: dict[str, str]
    features: tuple[str, ...]
    threshold: float = Field(gt=0, lt=1)
    flagged_per_100_stable: float
    """The false-alarm budget that the threshold was chosen for."""
    heartbeat_risks: tuple[float, ...]
    """The risks of the heartbeat's history on the machine that trained the model."""
    predictions_sha256: str
    """Hash of the risks of the calibration cohorts; repeating the training faithfully gives the same."""
    training: TrainingRecord
    recalibration: Recalibration | None = None
    """The correction learned from therapists' answers; None: there is none."""
    network_sha256: str | None = None
    """Hash of the network's file; None: the model has no network."""
    learned_from: str | None = None
    """The version of the model that was corrected."""
    reference_sha256: str | None = None
    """Hash of the reference file; None: there is none."""
    message_precision: dict[str, MeasuredPrecision] | None = None
    """How often messages are right in simulated practices, by kind; None: nobody measured it."""


def installed_libraries() -> dict[str, str]:
    """Return the installed version of each library that a model depends on."""
    return {name: importlib.metadata.version(name) for name in _LIBRARIES}


def format_of(network_sha256: str | None) -> int:
    """Return the format of a model with this network, or with none."""
    return FORMAT if network_sha256 is None else FORMAT_WITH_NETWORK


def model_version(predictions_sha256: str, threshold: float, network_sha256: str | None = None) -> str:
    """Return a version that changes whenever a prediction, the threshold, the features or the network do.

    >>> model_version("0" * 64, 0.25).startswith("gb-")
    True
    """
    described = f"{format_of(network_sha256)} {predictions_sha256} {threshold} {' '.join(FEATURES)}"
    if network_sha256 is not None:
        described += f" {network_sha256}"
    return f"gb-{hashlib.sha256(described.encode()).hexdigest()[:12]}"


def read_manifest(folder: Path) -> Manifest:
    """Return the manifest of a model's folder.

    Raises:
        UnusableModel: the file is missing or is not a manifest.
    """
    file = folder / MANIFEST_FILE
    try:
        return Manifest.model_validate_json(file.read_bytes())
    except OSError:
        raise UnusableModel(
            f"{file} cannot be read: point DETECTOR_MODEL_DIR at a model, or --model of this command"
        ) from None
    except ValidationError as error:
        fields = sorted({".".join(map(str, e["loc"])) or "the whole file" for e in error.errors()})
        message = f"{file} is not a valid manifest (see {', '.join(fields)}): restore the model"
        raise UnusableModel(message) from None


def write_manifest(folder: Path, manifest: Manifest) -> None:
    """Write the manifest into a model's folder."""
    (folder / MANIFEST_FILE).write_text(manifest.model_dump_json(indent=2) + "\n", encoding="utf-8")


def check_compatible(folder: Path, manifest: Manifest) -> None:
    """Check that this code and the installed libraries can use the model.

    Raises:
        UnusableModel: the format, the features or a library differs.
    """
    if manifest.format not in {FORMAT, FORMAT_WITH_NETWORK}:
        raise UnusableModel(
            f"the model in {folder} has format {manifest.format}, this code reads {FORMAT} and"
            f" {FORMAT_WITH_NETWORK}"
        )
    if manifest.format != format_of(manifest.network_sha256):
        raise UnusableModel(
            f"the manifest in {folder} has format {manifest.format} and"
            f" {'no' if manifest.network_sha256 is None else 'a'} network: restore the model"
        )
    if manifest.features != FEATURES:
        raise UnusableModel(
            f"the model in {folder} was trained on other features or in another order: train it again"
        )
    if not manifest.heartbeat_risks:
        raise UnusableModel(f"the manifest in {folder} has no heartbeat risks: restore the model")
    installed = installed_libraries()
    for name in _LIBRARIES:
        trained, here = manifest.libraries.get(name, "an unknown version"), installed[name]
        same = trained == here if name in _EXACT else trained.split(".")[0] == here.split(".")[0]
        if not same:
            raise UnusableModel(
                f"the model in {folder} was trained with {name} {trained} and {here} is installed: "
                "install the locked requirements, or train it again (rapport train)"
            )
