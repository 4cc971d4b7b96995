"""Whatever practices send and services do: nothing is lost, and nothing takes effect twice.

Hypothesis draws, between what practices send, answers of therapists, restarts, other models, sweeps, a mail
server that is away, and time that passes, also over a clock change.
`tests/support/whole_flow/checks.py` states the invariants checked after every step.
"""

import asyncio

import pytest

from tests.support.whole_flow.checks import HistoryChecks
from tests.support.whole_flow.examples import TIMEOUT_S, run_examples
from tests.support.whole_flow.practice_steps import PracticeSteps
from tests.support.whole_flow.service_steps import ServiceSteps


class OrdinarySteps(ServiceSteps, PracticeSteps):
    """What practices send, and what services and therapists do."""


@pytest.mark.study
@pytest.mark.timeout(TIMEOUT_S)
def test_nothing_is_lost_and_nothing_takes_effect_twice_on_ordinary_days(
    checks: HistoryChecks, loop: asyncio.Runner
) -> None:
    run_examples(OrdinarySteps, checks, loop)
