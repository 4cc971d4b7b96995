"""Runs one Python module as a child process with its own environment and log file."""

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Protocol

import httpx

STOP_DEADLINE_S = 15.0
POLL_S = 0.05
OWNED_PREFIXES = (
    "KAFKA_",
    "DATABASE_",
    "HTTP_",
    "RAPPORT_",
    "LOG_",
    "TRACES_",
    "INGEST_",
    "DETECTOR_",
    "NOTIFIER_",
)
"""Prefixes of the services' settings; a child does not inherit them, so it gets only its own."""


class StartFailed(RuntimeError):
    """A program did not become ready; the message names the reason and its log."""


class RunningChild(Protocol):
    """A process that was started here: what `subprocess.Popen` offers of it."""

    @property
    def pid(self) -> int:
        """Process id."""

    def poll(self) -> int | None:
        """Return the exit code; None while it runs."""

    def wait(self, timeout: float | None = None) -> int:
        """Wait for its end and return the exit code.

        Raises:
            subprocess.TimeoutExpired: it still runs after `timeout` seconds.
        """

    def terminate(self) -> None:
        """Send SIGTERM."""

    def send_signal(self, number: int, /) -> None:
        """Send a signal."""


class ChildProcess:
    """One program; `start` after `stop` or `kill` uses the same environment and port again."""

    def __init__(
        self,
        name: str,
        argv: Sequence[str],
        environment: Mapping[str, str],
        log: Path,
        url: str,
        *,
        management_url: str | None = None,
    ) -> None:
        self.name = name
        self.url = url
        self.management_url = management_url or url
        self.log = log
        self._argv = [sys.executable, *argv]
        self._environment = dict(environment)
        self._child: RunningChild | None = None

    @property
    def pid(self) -> int | None:
        """Process id while it runs; None otherwise."""
        return self._child.pid if self._child is not None and self._child.poll() is None else None

    @property
    def exit_code(self) -> int | None:
        """Exit code of the last run; None while it runs or before the first start."""
        return self._child.poll() if self._child is not None else None

    def start(self, extra: Mapping[str, str] | None = None) -> None:
        """Start the program, with `extra` environment for this run."""
        if self.pid is not None:
            raise RuntimeError(f"{self.name} is running already")
        inherited = {k: v for k, v in os.environ.items() if not k.startswith(OWNED_PREFIXES)}
        self._child = self._spawn({**inherited, **self._environment, **(extra or {})})

    def _spawn(self, environment: Mapping[str, str]) -> RunningChild:
        with self.log.open("ab") as out:
            # A session of its own: Ctrl-C must reach only the supervisor, which stops its children in order.
            return subprocess.Popen(
                self._argv, env=environment, stdout=out, stderr=out, start_new_session=True
            )

    def wait_ready(self, deadline_s: float) -> None:
        """Return once `/healthz` answers 200: every check is good.

        Raises:
            StartFailed: it ended, or was not ready in time; the message names the failing checks.
        """
        deadline = time.monotonic() + deadline_s
        reasons = "it does not answer yet"
        with httpx.Client(timeout=1) as client:
            while time.monotonic() < deadline:
                if self.pid is None:
                    raise StartFailed(
                        f"{self.name} ended while starting: {self.last_log_line()} ({self.log})"
                    )
                try:
                    answer = client.get(f"{self.management_url}/healthz")
                except httpx.HTTPError:
                    time.sleep(POLL_S)
                    continue
                if answer.status_code == httpx.codes.OK:
                    return
                reasons = _reasons(answer)
                time.sleep(POLL_S)
        raise StartFailed(
            f"{self.name} was not ready within {deadline_s:.0f} s: {reasons}. On a busy computer, end other"
            f" programs and try again; otherwise the reason is in {self.log}"
        )

    def wait_end(self, deadline_s: float) -> int:
        """Wait until the program ends by itself and return its exit code.

        Raises:
            TimeoutError: it still runs after `deadline_s`.
        """
        if self._child is None:
            raise RuntimeError(f"{self.name} was never started")
        try:
            return self._child.wait(deadline_s)
        except subprocess.TimeoutExpired:
            raise TimeoutError(f"{self.name} still runs after {deadline_s:.0f} s") from None

    def signal_stop(self) -> None:
        """Send SIGTERM without waiting."""
        if self._child is not None and self._child.poll() is None:
            self._child.terminate()

    def stop(self) -> int | None:
        """Send SIGTERM, and SIGKILL after a deadline; return the exit code."""
        if self._child is None:
            return None
        self.signal_stop()
        try:
            return self._child.wait(STOP_DEADLINE_S)
        except subprocess.TimeoutExpired:
            return self.kill()

    def kill(self) -> int | None:
        """Send SIGKILL; return the exit code."""
        if self._child is None:
            return None
        if self._child.poll() is None:
            self._child.send_signal(signal.SIGKILL)
        return self._child.wait()

    def last_log_line(self) -> str:
        """Return the last line of the log, at most 500 characters."""
        if not self.log.exists():
            return "no log"
        lines = self.log.read_text(errors="replace").strip().splitlines()
        return lines[-1][:500] if lines else "an empty log"


def _reasons(answer: httpx.Response) -> str:
    try:
        checks: dict[str, Any] = answer.json().get("checks", {})
    except json.JSONDecodeError:
        return f"HTTP {answer.status_code}"
    bad = "; ".join(f"{name}: {state}" for name, state in checks.items() if state != "good")
    return bad or f"HTTP {answer.status_code}"  # a public port gives no reasons
