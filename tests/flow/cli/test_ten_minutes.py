"""A person who follows the README from `make up` on has connected a practice within ten minutes."""

import os
import re
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests.flow.cli.conftest import command, home_folder
from tests.flow.cli.test_readme import README
from tests.support.service_stack import wait_until

CLIENT = README.parent / "clients" / "python"
PRINTED = {"INGEST": r"^ingest +(\S+)", "RESULTS": r"^detector and results +(\S+)"} | {
    "NOTIFIER": r"^notifier and inbox +(\S+)",
    "KEY": r"^ +(rpt_\S+)$",
}
"""What `make up` prints, by the variable in which the README wants it."""


def script(page: Path, below: str = "\n") -> str:
    """Return the first shell script of a page below some text."""
    block = re.search(r"```sh\n(.*?)```", page.read_text(encoding="utf-8").partition(below)[2], re.DOTALL)
    assert block is not None
    return block[1]


@pytest.fixture
def folder() -> Iterator[Path]:
    """An empty folder."""
    with home_folder() as empty:
        yield empty


@pytest.mark.timeout(600)
def test_the_commands_connect_a_practice_as_they_are_written(
    folder: Path, record_testsuite_property: Callable[[str, object], None]
) -> None:
    started = time.monotonic()
    output = folder / "output"
    environment = os.environ | {"NO_PROXY": "127.0.0.1"}
    with (
        output.open("w") as out,
        subprocess.Popen(command("up"), cwd=folder, env=environment, stdout=out, stderr=out) as up,
    ):
        try:
            wait_until(lambda: up.poll() is not None or "Ctrl-C" in output.read_text(), "it is up", 200)
            for name, pattern in PRINTED.items():
                found = re.search(pattern, output.read_text(), re.MULTILINE)
                assert found is not None, output.read_text()
                environment[name] = found[1]
            connected = _run(script(README, "\n## Connecting a practice\n"), folder, environment)
            example = script(CLIENT / "README.md").replace("pip install ./clients/python\n", "")
            path = f"{Path(sys.executable).parent}:{os.environ['PATH']}"
            client = {"PYTHONPATH": str(CLIENT / "src"), "PATH": path}
            sent = _run(example, README.parent, environment | client)
        finally:
            up.send_signal(signal.SIGINT)
            assert up.wait(60) == 0, output.read_text()
    record_testsuite_property("seconds-to-connect-a-practice", round(time.monotonic() - started))
    assert connected.count('"status":"accepted"') == 3
    assert '"therapist_id":"t-1"' in connected
    assert sent.startswith("s-1 accepted ")


def _run(commands: str, folder: Path, environment: dict[str, str]) -> str:
    done = subprocess.run(
        ["bash", "-euo", "pipefail", "-c", commands],
        cwd=folder,
        env=environment,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, commands + done.stdout + done.stderr
    return done.stdout
