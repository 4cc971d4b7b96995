"""A model's folder and what was learned in, a candidate's folder out: the same trees, a corrected risk.

The base model is loaded first, so that a candidate is never made from a file that would be refused.
"""

import hashlib
import shutil
from pathlib import Path

import numpy as np

from lab.training.label_correction import Learned
from services.detector.domain.reference import Bins, Reference
from services.detector.model.artefact import (
    MODEL_FILE,
    heartbeat_risks,
    read_reference,
    recalibrated,
    write_reference,
)
from services.detector.model.manifest import MANIFEST_FILE, Manifest, read_manifest
from services.detector.model.recalibration import Recalibration


def write_candidate(base: Path, out: Path, learned: Learned) -> Manifest:
    """Write the candidate into `out`, which is made if need be; its manifest.

    Raises:
        Unusable: the base cannot be used.
        ValueError: `out` is the base itself.
    """
    if out.resolve() == base.resolve():
        raise ValueError("a candidate is a folder of its own: choose another --out")
    before = read_manifest(base)
    both = learned.recalibration.after(before.recalibration)
    version = _version(before.version, learned)
    detector = recalibrated(base, both, version, learned.threshold)
    manifest = before.model_copy(
        update={
            "version": version,
            "threshold": learned.threshold,
            "heartbeat_risks": heartbeat_risks(detector),
            "recalibration": both,
            "learned_from": before.version,
            "reference_sha256": None,
        }
    )
    out.mkdir(parents=True, exist_ok=True)
    shutil.copyfile(base / MODEL_FILE, out / MODEL_FILE)
    (out / MANIFEST_FILE).write_text(manifest.model_dump_json(indent=2) + "\n", encoding="utf-8")
    reference = read_reference(base, before)
    if reference is not None:
        write_reference(out, _corrected(reference, learned.recalibration, version))
    return manifest


def _corrected(reference: Reference, recalibration: Recalibration, version: str) -> Reference:
    # A correction keeps the order of risks: the same sessions lie between the same edges, corrected.
    def of(risk: float) -> float:
        return round(float(recalibration.of(np.array([risk]))[0]), 6)

    risks = reference.shares["risk"]
    moved = Bins(edges=tuple(of(edge) for edge in risks.edges), shares=risks.shares)
    return reference.model_copy(
        update={
            "model_version": version,
            "shares": {**reference.shares, "risk": moved},
            "thresholds": {budget: of(value) for budget, value in reference.thresholds.items()},
        }
    )


def _version(base: str, learned: Learned) -> str:
    told = f"{base} {learned.recalibration.model_dump_json()} {learned.threshold}"
    return f"{base.partition('+')[0]}+{hashlib.sha256(told.encode()).hexdigest()[:8]}"
