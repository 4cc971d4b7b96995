"""A person who follows the README from `make up` on has connected a practice within ten minutes."""

import json
import os
import re
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import httpx
import pytest

from tests.flow.cli.conftest import command, home_folder
from tests.flow.cli.test_readme import README
from tests.support.service_stack import wait_until

SANDBOX = README.parent / "docs" / "sandbox.md"
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
            tried = _try_sandbox(folder, environment)
        finally:
            up.send_signal(signal.SIGINT)
            assert up.wait(60) == 0, output.read_text()
    record_testsuite_property("seconds-to-connect-a-practice", round(time.monotonic() - started))
    assert connected.count('"status":"accepted"') == 3
    assert '"therapist_id":"t-1"' in connected
    assert sent.startswith("s-1 accepted ")
    assert tried.lower().count("rapport-sandbox: true") == 1
    assert tried.count('"status":"accepted"') == 5
    assert '"kept_back":null' in tried, "the alert was told"


def _try_sandbox(folder: Path, environment: dict[str, str]) -> str:
    """Follow the page about sandboxes with ids that the practice uses, too, over a night."""
    before = _ratings_of(environment, "KEY")
    added = _rapport("sandboxes", "add", "my-practice", folder=folder, environment=environment)
    (key,) = re.findall(r"^ +(rpt_sandbox_\S+)$", added, re.MULTILINE)
    environment = environment | {"SANDBOX_KEY": key}
    tried = _run(script(SANDBOX), folder, environment)
    assert _ratings_of(environment, "KEY") == before, "what the practice sent is as it was"
    assert _ratings_of(environment, "SANDBOX_KEY") != before
    erased = _rapport("sandboxes", "erase", folder=folder, environment=environment)
    assert erased.startswith("my-practice.sandbox: ")
    assert _ratings_of(environment, "KEY") == before
    assert json.loads(_ratings_of(environment, "SANDBOX_KEY")[0])["status"] == "erased"
    again = _run(script(SANDBOX), folder, environment)
    assert again.count('"status":"accepted"') == tried.count('"status":"accepted"')
    return tried


def _ratings_of(environment: dict[str, str], key: str) -> list[str]:
    """Return what became of the rating r-1, and all counts, as a key sees them."""
    headers = {"Authorization": f"Bearer {environment[key]}"}
    with httpx.Client(base_url=environment["RESULTS"], headers=headers, trust_env=False) as client:
        return [client.get(path).raise_for_status().text for path in ("/v1/ratings/r-1", "/v1/balance")]


def _rapport(*words: str, folder: Path, environment: dict[str, str]) -> str:
    done = subprocess.run(
        command(*words), cwd=folder, env=environment, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


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
