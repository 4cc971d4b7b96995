"""Says how far the tables are, whatever offsets the consumer groups have committed."""

import time

from tests.support.faults.at_rest import READERS
from tests.support.faults.fault_run import RECOVERY_DEADLINE_S, FaultRun, wait
from tests.support.faults.observed import Ends, log_ends

APPLIED = """
SELECT topic, partition, next_offset FROM detector.applied
UNION ALL
SELECT topic, partition, next_offset FROM notifier.applied
"""
UNDECIDED = "SELECT count(*) FROM detector.published_before"


def applied(run: FaultRun) -> Ends:
    """Return how far the tables are; the offsets in Kafka know nothing of a restore."""
    return {(str(topic), int(str(number))): int(str(end)) for topic, number, end in run.fleet.query(APPLIED)}


def wait_until_caught_up(run: FaultRun) -> None:
    """Measure how long it takes until the tables hold all that is in the log now, and everything that was
    published is decided again."""
    began = time.monotonic()
    for topics in READERS.values():
        ends = {
            place: end for place, end in log_ends(run.fleet.kafka.bootstrap).items() if place[0] in topics
        }

        def holds(ends: Ends = ends) -> bool:
            found = applied(run)
            return all(found.get(place, 0) >= end for place, end in ends.items())

        wait(holds, f"{', '.join(topics)} caught up", RECOVERY_DEADLINE_S)
        wait(lambda: run.fleet.query(UNDECIDED) == [(0,)], "everything decided again", RECOVERY_DEADLINE_S)
    run.recoveries_s.append(time.monotonic() - began)
