"""A compose project of a test's own in: commands, ports, keys and numbers of that stack out."""

import os
import re
import socket
import subprocess
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

import httpx

from services.console.home import free_port
from tests.support.images import ROOT

DOORS = ("INGEST", "NOTIFIER", "MAIL", "PROMETHEUS")
DETECTORS = 3
POLL_S = 0.3


def free_ports_in_a_row(count: int) -> int:
    """The first of `count` free ports that follow one another."""
    while True:
        first = free_port()
        try:
            for port in range(first, first + count):
                with socket.socket() as probe:
                    probe.bind(("127.0.0.1", port))
        except (OSError, OverflowError):
            continue
        return first


def wait_until(holds: Callable[[], bool], what: str, deadline_s: float = 60.0) -> None:
    """Return once `holds()`; fail with `what` when it does not within the deadline."""
    ends = time.monotonic() + deadline_s
    while not holds():
        assert time.monotonic() < ends, f"not within {deadline_s:.0f} s: {what}"
        time.sleep(POLL_S)


@dataclass
class Project:
    """One stack under a name of its own, on free ports."""

    name: str = field(default_factory=lambda: f"rapport-test-{os.getpid()}")
    ports: dict[str, int] = field(default_factory=lambda: {door: free_port() for door in DOORS})
    results_port: int = field(default_factory=lambda: free_ports_in_a_row(DETECTORS))

    @property
    def environment(self) -> Mapping[str, str]:
        """What the compose file reads."""
        ports = {f"RAPPORT_{door}_PORT": str(port) for door, port in self.ports.items()}
        several = f"{self.results_port}-{self.results_port + DETECTORS - 1}"
        return {**os.environ, **ports, "RAPPORT_RESULTS_PORT": several, "COMPOSE_PROJECT_NAME": self.name}

    def compose(self, *words: str, check: bool = True, given: bytes | None = None) -> str:
        """Run `docker compose …`; its standard output.

        Raises:
            AssertionError: it failed, with its words.
        """
        done = subprocess.run(
            ["docker", "compose", *words],
            cwd=ROOT,
            env=self.environment,
            input=given,
            stdin=subprocess.DEVNULL if given is None else None,
            capture_output=True,
            check=False,
        )
        said = done.stdout.decode(errors="replace")
        assert done.returncode == 0 or not check, (
            f"docker compose {' '.join(words)}: {said[-3000:]}{done.stderr.decode(errors='replace')[-3000:]}"
        )
        return said

    def dump(self, *words: str) -> bytes:
        """The standard output of `docker compose exec -T …`, as it is."""
        return subprocess.run(
            ["docker", "compose", "exec", "-T", *words],
            cwd=ROOT,
            env=self.environment,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            check=True,
        ).stdout

    def in_python(self, service: str, program: str) -> str:
        """What a program prints inside a running service, with that service's rights; errors included."""
        done = subprocess.run(
            ["docker", "compose", "exec", "-T", service, "python", "-c", program],
            cwd=ROOT,
            env=self.environment,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            check=False,
        )
        return done.stdout.decode(errors="replace").strip()

    def up(self, *words: str) -> float:
        """Start everything and wait until it is healthy; how many seconds that took."""
        begun = time.monotonic()
        self.compose("up", "--wait", "--no-build", *words)
        return time.monotonic() - begun

    def url(self, door: str) -> str:
        """Where a door is published; `RESULTS` is the first detector's."""
        if door == "RESULTS":
            published = self.compose("port", "detector", "8080").strip()
            return f"http://{published}"
        return f"http://127.0.0.1:{self.ports[door]}"

    def add_practice(self, name: str) -> str:
        """Add a practice that is told about everything, as the documentation says; its key."""
        said = self.compose(
            *("run", "--rm", "-T", "rapport", "practices", "add", name),
            *("--set", "tell_from=always", "--set", "max_age_days=none"),
        )
        found = re.search(r"rpt_\S+", said)
        assert found is not None, said
        return found.group()

    def prometheus(self, query: str) -> list[dict[str, Any]]:
        """The result of one query."""
        answer = httpx.get(
            f"{self.url('PROMETHEUS')}/api/v1/query", params={"query": query}, trust_env=False, timeout=10
        )
        assert answer.status_code == httpx.codes.OK, answer.text
        found: list[dict[str, Any]] = answer.json()["data"]["result"]
        return found

    def memory(self) -> str:
        """What each container uses now, for the report."""
        said = subprocess.run(
            ["docker", "stats", "--no-stream", "--format", "{{.Name}} {{.MemUsage}}"],
            capture_output=True,
            text=True,
            check=True,
        ).stdout
        return "\n".join(line for line in sorted(said.splitlines()) if line.startswith(self.name))

    def left_behind(self) -> list[str]:
        """Containers, volumes and networks that still belong to it."""
        mine = ["--filter", f"label=com.docker.compose.project={self.name}", "--quiet"]
        left = []
        for kind in (["ps", "--all"], ["volume", "ls"], ["network", "ls"]):
            done = subprocess.run(["docker", *kind, *mine], capture_output=True, text=True, check=True)
            left += [f"{kind[0]} {line}" for line in done.stdout.split()]
        return left
