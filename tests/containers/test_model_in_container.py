"""A detector whose model differs from its manifest never becomes ready, and says why.

`stack.py` tests in the whole stack that such a detector scores nothing.
"""

import json
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from testcontainers.core.container import DockerContainer

from services.detector.model.artefact import MODEL_FILE, SHIPPED
from services.detector.model.manifest import MANIFEST_FILE
from tests.containers.compose_project import SHIPPED_IN_IMAGE, wait_until
from tests.support.containers import settle_reaper

pytestmark = [pytest.mark.docker, pytest.mark.timeout(420)]  # the first builds the image

READY = ["/opt/rapport/bin/python", "-m", "deploy.compose.healthcheck"]
METRICS = ["/opt/rapport/bin/python", "-c", (
    "import urllib.request; print(urllib.request.urlopen('http://127.0.0.1:8090/metrics').read().decode())"
)]  # fmt: skip


@contextmanager
def detector(container: DockerContainer) -> Iterator[DockerContainer]:
    """Run a detector in a container, without a broker or a database, until it answers HTTP."""
    settle_reaper()
    container.with_command("detector")
    try:
        container.start()
        wait_until(lambda: '"ready"' in _said(container, READY), "the detector answers")
        yield container
    finally:
        container.stop()


def _said(container: DockerContainer, words: list[str]) -> str:
    said: bytes = container.exec(words).output
    return said.decode()


def _assert_closed(container: DockerContainer, why: str) -> None:
    asked = container.exec(READY)
    assert asked.exit_code == 1
    assert why in json.loads(asked.output)["checks"]["model"]
    log = [json.loads(line) for line in container.get_logs()[0].decode().splitlines() if line[:1] == "{"]
    halted = [line for line in log if line["event"] == "halted"]
    assert [line["level"] for line in halted] == ["critical"]
    assert why in halted[0]["why"]
    assert 'rapport_check_good{check="model"} 0.0' in _said(container, METRICS)


def test_a_model_that_is_not_the_one_of_its_manifest_is_not_used(image: str, tmp_path: Path) -> None:
    changed = bytearray((SHIPPED / MODEL_FILE).read_bytes())
    changed[len(changed) // 2] ^= 1
    (tmp_path / MODEL_FILE).write_bytes(changed)
    container = DockerContainer(image)
    container.with_copy_into_container(tmp_path / MODEL_FILE, f"{SHIPPED_IN_IMAGE}/{MODEL_FILE}")

    with detector(container):
        _assert_closed(container, "its hash differs")


def test_a_manifest_with_another_hash_is_not_believed(image: str, tmp_path: Path) -> None:
    manifest = json.loads((SHIPPED / MANIFEST_FILE).read_text())
    (tmp_path / MANIFEST_FILE).write_text(json.dumps({**manifest, "sha256": "0" * 64}))
    container = DockerContainer(image)
    container.with_copy_into_container(tmp_path / MANIFEST_FILE, f"{SHIPPED_IN_IMAGE}/{MANIFEST_FILE}")

    with detector(container):
        _assert_closed(container, "its hash differs")


def test_an_artefact_that_is_gone_is_missed(image: str) -> None:
    container = DockerContainer(image)
    container.with_tmpfs_mount(SHIPPED_IN_IMAGE)

    with detector(container):
        _assert_closed(container, f"{SHIPPED_IN_IMAGE}/{MANIFEST_FILE} cannot be read")


def test_a_manifest_without_its_model_is_not_enough(image: str) -> None:
    container = DockerContainer(image).with_env("DETECTOR_MODEL_DIR", "/own")
    container.with_copy_into_container(SHIPPED / MANIFEST_FILE, f"/own/{MANIFEST_FILE}")

    with detector(container):
        _assert_closed(container, f"/own/{MODEL_FILE} cannot be read")
