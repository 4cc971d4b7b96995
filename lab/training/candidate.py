"""Writes a candidate model: the trees and the network of its base, and a corrected risk.

The base is loaded first, so that no candidate is made from a model that would be refused.
"""

import hashlib
import shutil
from pathlib import Path

import numpy as np

from lab.training.label_correction import LabelCorrection
from services.detector.domain.reference import Bins, Reference
from services.detector.model.artefact import (
    MODEL_FILE,
    NETWORK_FILE,
    heartbeat_risks,
    read_reference,
    recalibrated,
    write_reference,
)
from services.detector.model.manifest import MANIFEST_FILE, Manifest, read_manifest
from services.detector.model.recalibration import Recalibration


def write_candidate(base: Path, out: Path, correction: LabelCorrection) -> Manifest:
    """Write the candidate into the folder `out` and return its manifest.

    Raises:
        Unusable: the base cannot be loaded.
        ValueError: `out` is the base itself.
    """
    if out.resolve() == base.resolve():
        raise ValueError("a candidate is a folder of its own: choose another --out")
    before = read_manifest(base)
    recalibration = correction.recalibration.after(before.recalibration)
    version = _version(before.version, correction)
    detector = recalibrated(base, recalibration, version, correction.threshold)
    manifest = before.model_copy(
        update={
            "version": version,
            "threshold": correction.threshold,
            "heartbeat_risks": heartbeat_risks(detector),
            "recalibration": recalibration,
            "learned_from": before.version,
            "reference_sha256": None,
            "message_precision": None,
        }
    )
    out.mkdir(parents=True, exist_ok=True)
    shutil.copyfile(base / MODEL_FILE, out / MODEL_FILE)
    if before.network_sha256 is not None:
        shutil.copyfile(base / NETWORK_FILE, out / NETWORK_FILE)
    (out / MANIFEST_FILE).write_text(manifest.model_dump_json(indent=2) + "\n", encoding="utf-8")
    reference = read_reference(base, before)
    if reference is not None:
        write_reference(out, _corrected_reference(reference, correction.recalibration, version))
    return manifest


def _corrected_reference(reference: Reference, recalibration: Recalibration, version: str) -> Reference:
    # A correction keeps the order of risks, so each bin keeps its share and only its edges are corrected.
    def corrected_risk(risk: float) -> float:
        return round(float(recalibration.apply(np.array([risk]))[0]), 6)

    risks = reference.shares["risk"]
    bins = Bins(edges=tuple(corrected_risk(edge) for edge in risks.edges), shares=risks.shares)
    return reference.model_copy(
        update={
            "model_version": version,
            "shares": {**reference.shares, "risk": bins},
            "thresholds": {budget: corrected_risk(value) for budget, value in reference.thresholds.items()},
        }
    )


def _version(base: str, correction: LabelCorrection) -> str:
    content = f"{base} {correction.recalibration.model_dump_json()} {correction.threshold}"
    return f"{base.partition('+')[0]}+{hashlib.sha256(content.encode()).hexdigest()[:8]}"
