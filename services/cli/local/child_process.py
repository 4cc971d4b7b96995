"""One program as a child process: started with its own environment, logged to a file, waited for, ended."""

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import httpx

STOP_DEADLINE_S = 15.0
POLL_S = 0.05
OWNED_PREFIXES = ("KAFKA_", "DATABASE_", "HTTP_", "RAPPORT_", "LOG_", "INGEST_", "DETECTOR_", "NOTIFIER_")
"""Settings of the services: a child gets those meant for it and never a neighbour's."""


class StartFailed(RuntimeError):
    """A program did not become ready; the message holds the reason and where its log is."""


class ChildProcess:
    """One program. `start` again after `stop` or `kill` uses the same environment and port."""

    def __init__(
        self, name: str, argv: Sequence[str], environment: Mapping[str, str], log: Path, url: str
    ) -> None:
        self.name = name
        self.url = url
        self.log = log
        self._argv = [sys.executable, *argv]
        self._environment = dict(environment)
        self._child: subprocess.Popen[bytes] | None = None

    @property
    def pid(self) -> int | None:
        """Its process id while it lives."""
        return self._child.pid if self._child is not None and self._child.poll() is None else None

    @property
    def exit_code(self) -> int | None:
        """How the last run ended; None while it runs or before it did."""
        return self._child.poll() if self._child is not None else None

    def start(self, extra: Mapping[str, str] | None = None) -> None:
        """Start it, with `extra` environment for this one run."""
        if self.pid is not None:
            raise RuntimeError(f"{self.name} is running already")
        inherited = {k: v for k, v in os.environ.items() if not k.startswith(OWNED_PREFIXES)}
        environment = {**inherited, **self._environment, **(extra or {})}
        with self.log.open("ab") as out:
            # A session of its own: Ctrl-C is for the supervisor, which stops its children in order.
            self._child = subprocess.Popen(
                self._argv, env=environment, stdout=out, stderr=out, start_new_session=True
            )

    def wait_ready(self, deadline_s: float) -> None:
        """Return once `/readyz` is good.

        Raises:
            StartFailed: it ended, or is not ready in time; with the checks that were not good.
        """
        ends = time.monotonic() + deadline_s
        reasons = "it does not answer yet"
        with httpx.Client(timeout=1) as client:
            while time.monotonic() < ends:
                if self.pid is None:
                    raise StartFailed(
                        f"{self.name} ended while starting: {self.last_log_line()} ({self.log})"
                    )
                try:
                    answer = client.get(f"{self.url}/readyz")
                except httpx.HTTPError:
                    time.sleep(POLL_S)
                    continue
                if answer.status_code == httpx.codes.OK:
                    return
                reasons = _reasons(answer)
                time.sleep(POLL_S)
        raise StartFailed(f"{self.name} was not ready within {deadline_s:.0f} s: {reasons} ({self.log})")

    def wait_end(self, deadline_s: float) -> int:
        """Its exit code, once it ended by itself.

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
        """Ask it to end, without waiting."""
        if self._child is not None and self._child.poll() is None:
            self._child.terminate()

    def stop(self) -> int | None:
        """Ask it to end and wait; after the deadline it is killed. Returns the exit code."""
        if self._child is None:
            return None
        self.signal_stop()
        try:
            return self._child.wait(STOP_DEADLINE_S)
        except subprocess.TimeoutExpired:
            return self.kill()

    def kill(self) -> int | None:
        """End it like a power cut (kill -9)."""
        if self._child is None:
            return None
        if self._child.poll() is None:
            self._child.send_signal(signal.SIGKILL)
        return self._child.wait()

    def last_log_line(self) -> str:
        """The last line of its log, shortened."""
        if not self.log.exists():
            return "no log"
        lines = self.log.read_text(errors="replace").strip().splitlines()
        return lines[-1][:500] if lines else "an empty log"


def _reasons(answer: httpx.Response) -> str:
    try:
        checks: dict[str, Any] = answer.json().get("checks", {})
    except json.JSONDecodeError:
        return f"HTTP {answer.status_code}"
    return "; ".join(f"{name}: {found}" for name, found in checks.items() if found != "good")
