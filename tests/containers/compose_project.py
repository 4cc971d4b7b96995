"""Runs the stack of docker-compose.yml as a compose project of its own, on free ports."""

import json
import os
import re
import secrets
import subprocess
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import httpx

from services.cli.client.stack_access import StackAccess
from services.detector.model.artefact import SHIPPED
from tests.support.images import REVISION, ROOT
from tests.support.ports import lasting_ports

ENDPOINTS = ("INGEST", "INGEST_MANAGEMENT", "NOTIFIER", "MAIL", "PROMETHEUS", "ALERTMANAGER")
DETECTORS = 3
PRACTICE = "north"
POLL_S = 0.3
PACKAGES_IN_IMAGE = "/opt/rapport/lib/python3.11/site-packages"
SHIPPED_IN_IMAGE = f"{PACKAGES_IN_IMAGE}/{SHIPPED.relative_to(ROOT)}"


def say(words: str) -> None:
    """Print a figure for the reader of the run."""
    print(f"\n{words}", flush=True)  # noqa: T201 - figures for the reader of the run


def wait_until(holds: Callable[[], bool], what: str, deadline_s: float = 60.0) -> None:
    """Return once `holds()`; fail with `what` when it does not within the deadline."""
    ends = time.monotonic() + deadline_s
    while not holds():
        assert time.monotonic() < ends, f"not within {deadline_s:.0f} s: {what}"
        time.sleep(POLL_S)


@dataclass
class Project:
    """One stack with its own project name and ports."""

    name: str = field(default_factory=lambda: f"rapport-test-{secrets.token_hex(4)}")
    first_port: int = field(default_factory=lambda: lasting_ports(len(ENDPOINTS) + DETECTORS))
    images: list[str] = field(default_factory=list)
    """Images that were built for it alone."""

    @property
    def ports(self) -> Mapping[str, int]:
        """The published port of each endpoint; the detectors' ports follow these."""
        return {endpoint: self.first_port + offset for offset, endpoint in enumerate(ENDPOINTS)}

    @property
    def environment(self) -> Mapping[str, str]:
        """The environment of `docker compose`."""
        ports = {f"RAPPORT_{endpoint}_PORT": str(port) for endpoint, port in self.ports.items()}
        first = self.first_port + len(ENDPOINTS)
        several = f"{first}-{first + DETECTORS - 1}"
        own = {"RAPPORT_RESULTS_PORT": several, "COMPOSE_PROJECT_NAME": self.name, "REVISION": REVISION}
        return {**os.environ, **ports, **own}

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

    def count(self, table: str) -> int:
        """Return the number of rows of a table."""
        asked = ["psql", "--username=postgres", "--dbname=rapport", "--tuples-only", "--no-align"]
        return int(self.dump("postgres", *asked, f"--command=SELECT count(*) FROM {table}"))

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

    def checks(self, service: str) -> str:
        """What a running service answers on its management port about its health."""
        return self.in_python(service, "from deploy.compose.healthcheck import main; main()")

    def up(self, *words: str) -> float:
        """Start everything and wait until it is healthy; how many seconds that took."""
        begun = time.monotonic()
        self.compose("up", "--wait", "--no-build", *words)
        return time.monotonic() - begun

    def start(self, *services: str) -> None:
        """Start some services, as the compose file has them, and wait until they are healthy."""
        self.compose("up", "--wait", "--no-build", "--no-deps", *services)

    def exit_codes(self, service: str) -> list[str]:
        """How each container of a service ended."""
        return self.compose("ps", "--all", "--format", "{{.ExitCode}}", service).split()

    def changed(self, file: Path, services: Mapping[str, object]) -> list[str]:
        """The words that make `docker compose` see the stack with some services changed; `file` holds how."""
        file.write_text(json.dumps({"services": services}))
        return ["--file", "docker-compose.yml", "--file", str(file)]

    def remove(self) -> None:
        """Remove containers, volumes, networks and own images."""
        self.compose("--profile", "*", "down", "--volumes", "--remove-orphans", "--timeout", "20")
        for image in self.images:
            subprocess.run(["docker", "image", "rm", image], capture_output=True, check=True)
        self.images.clear()

    def text(self, endpoint: str, path: str) -> str | None:
        """Return the body of an answer of any status; None when nothing answers."""
        try:
            return httpx.get(f"{self.url(endpoint)}{path}", trust_env=False, timeout=10).text
        except httpx.TransportError:
            return None

    def url(self, endpoint: str) -> str:
        """Return the published URL of an endpoint; `RESULTS` is the first detector's."""
        if endpoint == "RESULTS":
            published = self.compose("port", "detector", "8080").strip()
            return f"http://{published}"
        return f"http://127.0.0.1:{self.ports[endpoint]}"

    def stack(self, practice: str, key: str) -> StackAccess:
        """How to reach the stack with the key of one practice."""
        ingest, results, notifier, mail = map(self.url, ("INGEST", "RESULTS", "NOTIFIER", "MAIL"))
        return StackAccess(ingest, results, notifier, (practice,), key, mail)

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
            f"{self.url('PROMETHEUS')}/api/v1/query", params={"query": query}, trust_env=False, timeout=30
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
