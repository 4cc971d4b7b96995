"""Detectors whose model cannot be used score nothing; what arrives meanwhile is scored with the right one."""

import hashlib
import json
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import httpx
import skops.io
from sklearn.linear_model import LogisticRegression

from services.detector.model.artefact import MODEL_FILE, SHIPPED
from services.detector.model.manifest import MANIFEST_FILE
from tests.support.faults.fault_run import FaultRun, wait
from tests.support.faults.fleet import READY_DEADLINE_S, Fleet
from tests.support.faults.rows import BOTH, Size, row

ASSESSED = "SELECT count(*) FROM detector.assessment"


def unusable_models(folder: Path) -> dict[Path, str]:
    """Write models that cannot be used; return for each folder a part of what the detector says about it."""
    missing, truncated, foreign = folder / "missing", folder / "truncated", folder / "foreign"
    for copy in (truncated, foreign):
        shutil.copytree(SHIPPED, copy)
    content = (truncated / MODEL_FILE).read_bytes()
    (truncated / MODEL_FILE).write_bytes(content[: len(content) // 2])
    other = skops.io.dumps(LogisticRegression().fit([[0.0], [1.0]], [0, 1]))
    (foreign / MODEL_FILE).write_bytes(other)
    manifest = json.loads((foreign / MANIFEST_FILE).read_text(encoding="utf-8"))
    manifest["sha256"] = hashlib.sha256(other).hexdigest()
    (foreign / MANIFEST_FILE).write_text(json.dumps(manifest), encoding="utf-8")
    return {
        missing: "point DETECTOR_MODEL_DIR at a model",
        truncated: "hash differs",
        foreign: "holds a LogisticRegression",
    }


@contextmanager
def refusing(fleet: Fleet, models: dict[str, tuple[Path, str]]) -> Iterator[None]:
    """Run these detectors with models that they refuse, and afterwards with the right one."""
    for name in models:
        fleet.processes[name].signal_stop()
    for name, (folder, _) in models.items():
        fleet.processes[name].stop()
        fleet.processes[name].start({"DETECTOR_MODEL_DIR": str(folder)})
    for name, (_, words) in models.items():
        wait(lambda name=name, words=words: says(fleet, name, words), f"{name}: {words}", READY_DEADLINE_S)  # type: ignore[misc]
    yield
    fleet.restart(tuple(models))


def says(fleet: Fleet, name: str, words: str) -> bool:
    """Return whether a replica is not ready for a reason that holds these words."""
    process = fleet.processes[name]
    assert process.pid is not None, process.last_log_line()
    try:
        answer = httpx.get(f"{process.management_url}/healthz", trust_env=False, timeout=2)
    except httpx.TransportError:
        return False
    return answer.status_code == httpx.codes.SERVICE_UNAVAILABLE and words in answer.text


@row(backend=BOTH, scaled=240, full=2_000, in_ci=False)
def test_models_that_cannot_be_used(fault_run: FaultRun, size: Size, tmp_path: Path) -> str:
    """The model is missing, truncated or foreign: in all detectors, then in one of them."""
    fleet, models = fault_run.fleet, list(unusable_models(tmp_path).items())
    of_all = dict(zip(fleet.detectors, models, strict=False))
    with fault_run.sending(slices=4) as gate:
        gate.release()
        with refusing(fleet, of_all):
            before = fleet.query(ASSESSED)
            gate.release()
            fault_run.wait_sent(len(fault_run.ratings) // 2)
            assert fleet.query(ASSESSED) == before, "something was scored without a model"
        fault_run.measure_recovery()
        with refusing(fleet, {fleet.detectors[0]: models[-1]}):
            gate.release()
            fault_run.measure_recovery()
    return f"{len(models)} models refused"
