"""A model's folder and what was learned in, a candidate's folder out: the same trees, a corrected risk.

The base model is loaded first, so that a candidate is never made from a file that would be refused.
"""

import hashlib
import shutil
from pathlib import Path

from services.detector.model.artefact import (
    MANIFEST_FILE,
    MODEL_FILE,
    Manifest,
    corrected,
    heartbeat_risks,
    read_manifest,
)
from services.detector.model.learn import Learned


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
    detector = corrected(base, both, version, learned.threshold)
    manifest = before.model_copy(
        update={
            "version": version,
            "threshold": learned.threshold,
            "heartbeat_risks": heartbeat_risks(detector),
            "recalibration": both,
            "learned_from": before.version,
        }
    )
    out.mkdir(parents=True, exist_ok=True)
    shutil.copyfile(base / MODEL_FILE, out / MODEL_FILE)
    (out / MANIFEST_FILE).write_text(manifest.model_dump_json(indent=2) + "\n", encoding="utf-8")
    return manifest


def _version(base: str, learned: Learned) -> str:
    told = f"{base} {learned.recalibration.model_dump_json()} {learned.threshold}"
    return f"{base.partition('+')[0]}+{hashlib.sha256(told.encode()).hexdigest()[:8]}"
