"""A service that was started by the command ends with it, however the command ended."""

import subprocess
import sys
from collections.abc import Iterator
from contextlib import suppress

import psutil
import pytest

from tests.support.service_stack import wait_until

PARENT = """
import subprocess, sys, time
words = ["-m", "services.cli.local.run_with_parent", "http.server", "0", "--bind", "127.0.0.1"]
child = subprocess.Popen([sys.executable, *words], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
print(child.pid, flush=True)
time.sleep(600)
"""


def alive(process: psutil.Process) -> bool:
    with suppress(psutil.NoSuchProcess):
        return process.is_running() and process.status() != psutil.STATUS_ZOMBIE
    return False


@pytest.fixture
def family() -> Iterator[tuple[subprocess.Popen[str], psutil.Process]]:
    """A parent, and the module that it runs tied to itself."""
    with subprocess.Popen([sys.executable, "-c", PARENT], stdout=subprocess.PIPE, text=True) as parent:
        assert parent.stdout is not None
        child = psutil.Process(int(parent.stdout.readline()))
        try:
            wait_until(lambda: bool(child.net_connections()), "the module listens")
            yield parent, child
        finally:
            parent.kill()
            if alive(child):
                child.kill()


def test_a_killed_parent_takes_its_child_along(family: tuple[subprocess.Popen[str], psutil.Process]) -> None:
    parent, child = family
    assert alive(child)

    parent.kill()
    parent.wait()

    wait_until(lambda: not alive(child), "the child ends")
