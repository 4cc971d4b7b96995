"""Records which of the project's functions a running service enters.

`traced_environment` makes a service's process load `record` at its start. Each SIGUSR1 writes the functions
entered since the signal before, and begins anew.
"""

import json
import os
import signal
import sys
import threading
from collections.abc import Mapping
from pathlib import Path
from types import CodeType, FrameType

ROOT = Path(__file__).resolve().parents[2]
PACKAGES = ("services/", "schemas/")
Functions = frozenset[tuple[str, str]]
"""File, relative to the root, and qualified name."""


def traced_environment(folder: Path) -> dict[str, str]:
    """Return the environment of a process that records into `folder`."""
    folder.mkdir()
    (folder / "sitecustomize.py").write_text(
        "import sys\n"
        f"sys.path.insert(0, {str(ROOT)!r})\n"
        "from tests.support import function_trace\n"
        f"function_trace.record({str(folder)!r})\n"
    )
    inherited = os.environ.get("PYTHONPATH")
    return {"PYTHONPATH": f"{folder}{os.pathsep}{inherited}" if inherited else str(folder)}


def record(folder: str) -> None:
    """Record from now on, in all threads; SIGUSR1 writes `<service>.<number>.json` into `folder`."""
    entered: set[CodeType] = set()
    written = 0

    def profile(frame: FrameType, event: str, _argument: object) -> None:
        if event == "call":
            entered.add(frame.f_code)

    def write(_signal: int, _frame: FrameType | None) -> None:
        nonlocal written
        codes = list(entered)
        entered.clear()
        service = next((word for word in sys.orig_argv if word.startswith("services.")), "other")
        names = [word for word in sys.orig_argv if word.count(".") == 1 and word.startswith("services.")]
        service = names[-1].removeprefix("services.") if names else service
        prefix = f"{ROOT}/"
        functions = sorted(
            {
                (code.co_filename.removeprefix(prefix), code.co_qualname)
                for code in codes
                if code.co_filename.startswith(tuple(prefix + package for package in PACKAGES))
            }
        )
        target = Path(folder) / f"{service}.{written}.json"
        part = target.with_suffix(".part")
        part.write_text(json.dumps(functions))
        part.rename(target)
        written += 1

    signal.signal(signal.SIGUSR1, write)
    threading.setprofile(profile)
    sys.setprofile(profile)


class Recorder:
    """Asks recording processes for what they entered."""

    def __init__(self, folder: Path, pids: Mapping[str, int]) -> None:
        self._folder = folder
        self._pids = pids
        self._asked = 0

    def ask(self) -> list[Path]:
        """Ask every process for the functions entered since the last time; return the files to wait for."""
        for pid in self._pids.values():
            os.kill(pid, signal.SIGUSR1)
        files = [self._folder / f"{service}.{self._asked}.json" for service in self._pids]
        self._asked += 1
        return files


def functions_in(files: list[Path]) -> Functions:
    """Return the functions of all files together."""
    return frozenset((file, name) for path in files for file, name in json.loads(path.read_text()))
