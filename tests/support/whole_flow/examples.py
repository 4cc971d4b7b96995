"""Draws the examples of a state machine over detector and notifier, as many as the profile says.

The profile `ci` draws the same examples at each run, so that a change of the product is all that can make it
fail; `HYPOTHESIS_PROFILE=long` draws others each time, and more of them.
"""

import asyncio
import os

from hypothesis import HealthCheck, Phase, settings
from hypothesis.stateful import run_state_machine_as_test

from tests.support.whole_flow.checks import HistoryChecks
from tests.support.whole_flow.history_machine import HistoryMachine

PROFILES = {"ci": (100, True), "long": (1_000, False)}
"""The number of examples of each machine, and whether they are the same at each run."""
EXAMPLES, DERANDOMIZE = PROFILES[os.environ.get("HYPOTHESIS_PROFILE", "ci")]
STEPS = 8
TIMEOUT_S = 900 + 8 * EXAMPLES
"""Generous: a failing example is made smaller for up to five minutes, and the machine may be busy."""


def run_examples(machine: type[HistoryMachine], checks: HistoryChecks, loop: asyncio.Runner) -> None:
    """Run the examples of a machine.

    Raises:
        AssertionError: an invariant does not hold; the note has the steps of the smallest example found.
    """
    run_state_machine_as_test(
        lambda: machine(checks, loop),  # type: ignore[arg-type] # the library takes any factory
        settings=settings(
            max_examples=EXAMPLES,
            stateful_step_count=STEPS,
            derandomize=DERANDOMIZE,
            deadline=None,
            report_multiple_bugs=False,
            database=None,
            print_blob=True,
            phases=(Phase.generate, Phase.shrink),
            suppress_health_check=list(HealthCheck),
        ),
    )
