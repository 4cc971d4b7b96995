"""Runs a detector whose event loop stands still in the middle of a batch as long as a file exists.

python -m tests.support.faults.hung_detector
"""

import os
import runpy
import time
from pathlib import Path

from services.detector.domain.dyad_work import SessionWork
from services.detector.domain.practice import Practice
from services.detector.domain.session_scoring import apply_threshold
from services.detector.stream.stages import assess

WHILE = "HANG_WHILE"
"""The environment variable that names the file."""


def _apply_or_hang(session: SessionWork, practice: Practice) -> None:
    while Path(os.environ[WHILE]).exists():
        time.sleep(0.2)
    apply_threshold(session, practice)


if __name__ == "__main__":
    setattr(assess, apply_threshold.__name__, _apply_or_hang)
    runpy.run_module("services.detector", run_name="__main__", alter_sys=True)
