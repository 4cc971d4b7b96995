"""Runs a detector that takes long for each session of a history that it assesses again.

python -m tests.support.faults.slow_detector
"""

import runpy
import time
from collections.abc import Sequence

from services.detector.domain.detector import Detector
from services.detector.domain.dyad_work import DyadWork
from services.detector.domain.session_scoring import assess_dyads
from services.detector.stream.stages import assess

SESSION_S = 0.08
"""About twenty times as long as it takes."""


def _assess_slowly(model: Detector, dyads: Sequence[DyadWork]) -> None:
    time.sleep(SESSION_S * sum(len(dyad.sessions) for dyad in dyads if dyad.refold))
    assess_dyads(model, dyads)


if __name__ == "__main__":
    setattr(assess, assess_dyads.__name__, _assess_slowly)
    runpy.run_module("services.detector", run_name="__main__", alter_sys=True)
