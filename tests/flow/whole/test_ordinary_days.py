"""Whatever practices send in whatever order: nothing is lost, and nothing takes effect twice.

Hypothesis draws sequences of steps (`ServiceSteps`): ratings that are sent in order, late, twice, corrected
with and without the time of recording, moved between therapists, taken back; answers, restarts, other models,
a mail server that is away, and time that passes, also over a clock change.
`tests/support/whole_flow/checks.py` states the invariants checked after every step.
"""

import asyncio

import pytest

from tests.support.whole_flow.checks import HistoryChecks
from tests.support.whole_flow.examples import TIMEOUT_S, run_examples
from tests.support.whole_flow.service_steps import ServiceSteps


@pytest.mark.study
@pytest.mark.timeout(TIMEOUT_S)
def test_nothing_is_lost_and_nothing_takes_effect_twice_on_ordinary_days(
    checks: HistoryChecks, loop: asyncio.Runner
) -> None:
    run_examples(ServiceSteps, checks, loop)
