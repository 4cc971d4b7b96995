"""Sends ratings slice by slice until something has come of them."""

import time
from collections.abc import Callable

from tests.support.faults.fault_run import wait
from tests.support.faults.gate import Gate

NEXT_SLICE_AFTER_S = 6.0
DEADLINE_S = 240.0


def release_until(gate: Gate, holds: Callable[[], bool], what: str, deadline_s: float = DEADLINE_S) -> None:
    """Release a slice, and another after each pause, until something holds; fail with `what` otherwise."""
    release_at = time.monotonic()

    def does_hold() -> bool:
        nonlocal release_at
        if time.monotonic() >= release_at:
            gate.release()
            release_at += NEXT_SLICE_AFTER_S
        return holds()

    wait(does_hold, what, deadline_s)
