"""Testcontainers' reaper removes the containers of a killed test run, where its image is available."""

import signal
import subprocess
import sys

import pytest
from testcontainers.core.config import testcontainers_config
from testcontainers.core.labels import LABEL_SESSION_ID

from tests.containers.compose_project import wait_until
from tests.support.containers import settle_reaper
from tests.support.images import ROOT

RUN = """
import signal
from testcontainers.core.labels import SESSION_ID
from tests.support.containers import postgres_container
with postgres_container():
    print(SESSION_ID, flush=True)
    signal.pause()
"""


def left_of(session: str) -> list[str]:
    """The containers of one run."""
    words = ["docker", "ps", "--all", "--quiet", "--filter", f"label={LABEL_SESSION_ID}={session}"]
    return subprocess.run(words, capture_output=True, text=True, check=True).stdout.split()


@pytest.mark.docker
def test_a_killed_run_leaves_no_container_behind() -> None:
    settle_reaper()
    if testcontainers_config.ryuk_disabled:
        pytest.skip(
            f"the reaper is switched off, or its image cannot be had: {testcontainers_config.ryuk_image}"
        )
    with subprocess.Popen([sys.executable, "-c", RUN], cwd=ROOT, stdout=subprocess.PIPE, text=True) as run:
        assert run.stdout is not None
        session = run.stdout.readline().strip()
        started = left_of(session)
        run.send_signal(signal.SIGKILL)

    assert len(started) == 1
    wait_until(lambda: not left_of(session), "the reaper removes what the run started")
