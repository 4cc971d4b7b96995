"""However practices correct, move and take back what they sent: nothing is lost, nothing takes effect twice.

Hypothesis draws ratings that are sent in order, late, twice, corrected with and without the time of their
recording, moved between therapists and taken back, and reads them in between, in batches of a drawn size.
`tests/support/whole_flow/checks.py` states the invariants checked after every step.
"""

import asyncio

import pytest

from tests.support.whole_flow.checks import HistoryChecks
from tests.support.whole_flow.examples import TIMEOUT_S, run_examples
from tests.support.whole_flow.practice_steps import PracticeSteps


@pytest.mark.study
@pytest.mark.timeout(TIMEOUT_S)
def test_nothing_is_lost_and_nothing_takes_effect_twice_whatever_is_corrected(
    checks: HistoryChecks, loop: asyncio.Runner
) -> None:
    run_examples(PracticeSteps, checks, loop)
