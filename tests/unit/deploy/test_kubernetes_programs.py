"""What the programs for Kubernetes do: run a command in the cluster, and store the keys that it changed."""

import base64
import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from tests.support.images import ROOT

BEFORE, AFTER = '{"keys": []}\n', '{"keys": ["new"]}\n'
KUBECTL = f"""#!{sys.executable}
import base64, json, os, sys
folder = os.environ["CLUSTER"]
words = sys.argv[1:]
text = sys.stdin.read() if "--patch-file=/dev/stdin" in words else ""
with open(folder + "/calls", "a") as calls:
    calls.write(json.dumps([words, text]) + "\\n")
state = json.load(open(folder + "/state"))
verb = words[1]
if verb == "get":
    data = {{"credentials.json": base64.b64encode(state["before"].encode()).decode()}}
    print(json.dumps({{"metadata": {{"resourceVersion": "7"}}, "data": data}}))
elif verb == "wait":
    sys.exit(state.get("wait", 0))
elif verb == "exec" and "--stdin" in words:
    sys.exit(state.get("command", 0))
elif verb == "exec":
    print(state["after"], end="")
elif verb == "patch":
    sys.exit(state.get("patch", 0))
"""
"""Stands for kubectl: it writes down how it was called, and answers as its file of state says."""


class Cluster:
    """A cluster that exists only in the answers of the program above."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        program = folder / "kubectl"
        program.write_text(KUBECTL)
        program.chmod(0o755)

    def run(self, *words: str, **state: str | int) -> tuple[int, str]:
        """Run the operator's program; return its exit code and what it said on standard error."""
        (self._folder / "state").write_text(json.dumps({"before": BEFORE, "after": BEFORE, **state}))
        environment = os.environ | {
            "PATH": f"{self._folder}{os.pathsep}{os.environ['PATH']}",
            "CLUSTER": str(self._folder),
            "LOGNAME": "ada",
        }
        done = subprocess.run(
            [sys.executable, "-m", "deploy.kubernetes.rapport", *words],
            env=environment,
            cwd=ROOT,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            check=False,
        )
        return done.returncode, done.stderr

    def calls(self, verb: str) -> list[tuple[list[str], str]]:
        """Return the words and the input of each call with this verb."""
        calls: list[Any] = [json.loads(line) for line in (self._folder / "calls").read_text().splitlines()]
        return [(words[2:], text) for words, text in calls if words[1] == verb]


@pytest.fixture
def cluster(tmp_path: Path) -> Cluster:
    """Return a cluster whose keys a command can change."""
    return Cluster(tmp_path)


def test_a_command_runs_in_a_job_of_its_own_under_the_persons_name(cluster: Cluster) -> None:
    assert cluster.run("practices", "list") == (0, "")
    ((create, _),) = cluster.calls("create")
    job = create[1]
    command = cluster.calls("exec")[0][0]

    assert create == ["job", job, "--from=cronjob/operator"]
    assert command[:4] == ["--stdin", f"job/{job}", "--container=operator", "--"]
    assert command[-3:] == ["ada", "practices", "list"]
    assert cluster.calls("delete") == [(["job", job, "--wait=false"], "")]


def test_the_person_is_named_inside_and_the_command_gets_its_own_words() -> None:
    from deploy.kubernetes.rapport import AS_PERSON

    shown = subprocess.run(
        [sys.executable, "-c", AS_PERSON, "ada", "topics", "--help"],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=True,
    ).stdout

    assert "rapport topics [OPTIONS] COMMAND" in shown


def test_keys_that_a_command_changed_are_stored_unless_somebody_else_changed_them(cluster: Cluster) -> None:
    assert cluster.run("practices", "add", "north", after=AFTER) == (0, "")
    ((words, text),) = cluster.calls("patch")

    assert words[:2] == ["secret", "rapport-keys"]
    assert json.loads(text) == {
        "metadata": {"resourceVersion": "7"},
        "data": {"credentials.json": base64.b64encode(AFTER.encode()).decode()},
    }


def test_keys_that_stayed_are_not_stored(cluster: Cluster) -> None:
    cluster.run("doctor")

    assert cluster.calls("patch") == []


def test_keys_that_could_not_be_stored_are_not_silently_shown_as_valid(cluster: Cluster) -> None:
    code, said = cluster.run("practices", "add", "north", after=AFTER, patch=1)

    assert code == 1
    assert "NOT in force" in said


@pytest.mark.parametrize(("state", "code"), [({"command": 3}, 3), ({"wait": 1}, 1)])
def test_a_command_that_fails_gives_its_code_and_leaves_no_job(
    cluster: Cluster, state: dict[str, int], code: int
) -> None:
    assert cluster.run("doctor", **state)[0] == code
    assert len(cluster.calls("delete")) == 1


def test_keys_that_a_failed_command_had_changed_are_stored(cluster: Cluster) -> None:
    assert cluster.run("practices", "add", "north", after=AFTER, command=1)[0] == 1
    assert len(cluster.calls("patch")) == 1


def test_secrets_are_printed_for_kubectl(tmp_path: Path) -> None:
    printed = subprocess.run(
        [sys.executable, "-m", "deploy.kubernetes.make_secrets"],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=True,
    ).stdout
    made = json.loads(printed)["items"]

    assert {one["metadata"]["name"] for one in made} == {
        f"rapport-{reader}" for reader in ("ingest", "detector", "notifier", "operator", "keys", "postgres")
    }
    assert {one["kind"] for one in made} == {"Secret"}
