"""Starts services by forking a process that has imported them, because importing them takes seconds."""

import multiprocessing
import os
import runpy
import signal
import subprocess
import sys
from collections.abc import Mapping
from multiprocessing.context import ForkServerProcess
from pathlib import Path

from services.cli.local.child_process import ChildProcess, RunningChild
from services.cli.local.parent_watch import when_parent_ends

_PRELOADED = (
    "services.ingest.app",
    "services.detector.app",
    "services.notifier.app",
    "services.runtime.http.server",
)
_READ_BEFORE_IMPORTS = frozenset({"LD_PRELOAD", "PYTHONPATH"})
"""Variables that act only on a program that is started anew."""
_context = multiprocessing.get_context("forkserver")
_context.set_forkserver_preload(list(_PRELOADED))


class ForkedProcess(ChildProcess):
    """One service, which differs from a `ChildProcess` only in how it starts."""

    def __init__(
        self,
        name: str,
        module: str,
        environment: Mapping[str, str],
        log: Path,
        url: str,
        *,
        management_url: str,
    ) -> None:
        super().__init__(name, [], environment, log, url, management_url=management_url)
        self.run_as(module)

    def run_as(self, module: str) -> None:
        """Run this module from the next start on."""
        self._module = module
        self._argv = [sys.executable, "-m", "services.cli.local.run_with_parent", module]

    def _spawn(self, environment: Mapping[str, str]) -> RunningChild:
        # So that a row can take a variable away, too.
        environment = {name: value for name, value in environment.items() if value}
        if any(os.environ.get(name) != environment.get(name) for name in _READ_BEFORE_IMPORTS):
            return super()._spawn(environment)
        process = _context.Process(
            target=_run, args=(self._module, dict(environment), str(self.log)), name=self.name, daemon=True
        )
        process.start()
        return _Forked(process)


class _Forked:
    """Gives a process of `multiprocessing` the methods of one of `subprocess`."""

    def __init__(self, process: ForkServerProcess) -> None:
        self._process = process
        assert process.pid is not None
        self.pid = process.pid

    def poll(self) -> int | None:
        """Return the exit code; None while it runs."""
        return self._process.exitcode

    def wait(self, timeout: float | None = None) -> int:
        """Wait for its end and return the exit code."""
        self._process.join(timeout)
        code = self._process.exitcode
        if code is None:
            raise subprocess.TimeoutExpired(self._process.name, timeout or 0.0)
        return code

    def terminate(self) -> None:
        """Send SIGTERM."""
        self.send_signal(signal.SIGTERM)

    def send_signal(self, number: int) -> None:
        """Send a signal."""
        if self.poll() is None:
            os.kill(self.pid, number)


def _run(module: str, environment: dict[str, str], log: str) -> None:
    """Become the service."""
    os.setsid()
    with Path(log).open("ab") as out:
        os.dup2(out.fileno(), 1)
        os.dup2(out.fileno(), 2)
    os.environ.clear()
    os.environ.update(environment)
    sys.argv = [module]
    when_parent_ends(lambda: os.kill(os.getpid(), signal.SIGTERM))
    runpy.run_module(module, run_name="__main__", alter_sys=True)
