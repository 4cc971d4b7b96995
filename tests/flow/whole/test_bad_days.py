"""Whatever breaks meanwhile, and at whatever moment: nothing is lost, and nothing takes effect twice.

Hypothesis draws, between what practices send, processes that crash anywhere, a database that goes away and
comes back, a Kafka that stops acknowledging, logs that lose their end, and the repair command.
`tests/support/whole_flow/checks.py` states the invariants checked after every step.
"""

import asyncio

import pytest

from tests.support.whole_flow.checks import HistoryChecks
from tests.support.whole_flow.examples import TIMEOUT_S, run_examples
from tests.support.whole_flow.fault_steps import FaultSteps
from tests.support.whole_flow.practice_steps import PracticeSteps


class BadSteps(FaultSteps, PracticeSteps):
    """What practices send, and what breaks meanwhile."""


@pytest.mark.study
@pytest.mark.timeout(TIMEOUT_S)
def test_nothing_is_lost_and_nothing_takes_effect_twice_on_bad_days(
    checks: HistoryChecks, loop: asyncio.Runner
) -> None:
    run_examples(BadSteps, checks, loop)
