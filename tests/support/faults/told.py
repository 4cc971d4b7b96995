"""Breaks something in front of Prometheus and Alertmanager, and says who was notified of it and when."""

from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager

from tests.support.faults.fault_run import FaultRun
from tests.support.faults.fleet import INGEST, NOTIFIER
from tests.support.monitoring import Alert, Monitoring, monitoring, wait

RATE = 1.0
"""Ratings a second of each practice while something is broken."""
PAGED_S = 180.0
"""Within this time somebody is to be paged."""
OVER_S = 420.0
"""Within this time an alert is to end after its cause; Prometheus looks back five minutes."""
SETTLE_S = 60.0
"""How long the rows wait for what else may be sent."""
SCRAPED_S = 60
STARTED = 'time() - max(process_start_time_seconds{job=~"ingest|detector|notifier"})'


@contextmanager
def watched(run: FaultRun, ratings: int | None = None) -> Iterator[Monitoring]:
    """Watch the row's services while ratings are sent (None: all); the block begins when nothing fires."""
    fleet = run.fleet
    targets = {
        INGEST: [fleet.processes[INGEST].management_url],
        "detector": [fleet.processes[name].management_url for name in fleet.detectors],
        NOTIFIER: [fleet.processes[NOTIFIER].management_url],
    }
    folder = run.folder / "monitoring"
    folder.mkdir()
    with monitoring(targets, folder) as seen, run.sending(run.ratings[:ratings], rate=RATE):
        wait(lambda: (seen.value(STARTED) or 0) > SCRAPED_S, "every service has run for a while", 300)
        wait(lambda: seen.active(pending=False) == set(), "nothing fires", OVER_S)
        assert seen.told() == set(), "somebody was notified before anything was broken"
        yield seen


def tells(
    seen: Monitoring,
    expected: set[Alert],
    fault: AbstractContextManager[object],
    within_s: float = PAGED_S,
    over_within_s: float = OVER_S,
    later: frozenset[Alert] = frozenset(),
) -> str:
    """Break something; return in words how long it took to notify of exactly this, and until it was over.

    `later` is what may be sent after it was mended, because it is true then.
    """
    names = ", ".join(sorted(name for name, _ in expected))
    with fault:
        after_s = wait(lambda: expected <= seen.told(), f"{names} (active: {seen.active()})", within_s)
        remains(seen, expected)
    # The budgets of hours and days may have been used up for good: these tickets come an hour later.
    over_s = wait(lambda: not expected & seen.active(), "it is over", over_within_s)
    remains(seen, expected, later=later)
    return f"{names} after {after_s:.0f} s and nothing else, over {over_s:.0f} s after it was mended"


def remains(
    seen: Monitoring,
    expected: set[Alert],
    while_s: float = SETTLE_S,
    later: frozenset[Alert] = frozenset(),
) -> None:
    """Fail when something else is sent within this time."""
    FaultRun.let_pass(while_s)
    assert seen.told() - later == expected, seen.describe()


@contextmanager
def broken(begin: Callable[[], object], end: Callable[[], object]) -> Iterator[None]:
    """Break something for the duration of the block."""
    begin()
    try:
        yield
    finally:
        end()
