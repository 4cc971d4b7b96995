"""Replicas that join and leave all the time move partitions, and lose, double and disorder nothing."""

import random

from tests.support import invariants
from tests.support.faults.fault_run import FaultRun
from tests.support.faults.fleet import NOTIFIER, READY_DEADLINE_S, SPARES, Fleet
from tests.support.faults.observed import log_ends, of_practices, read_log
from tests.support.faults.rows import Size, row

AS_STRANGERS = {"KAFKA_GROUP_INSTANCE_ID": "", "KAFKA_SESSION_TIMEOUT_S": "6"}
"""Without a name, each replica that comes back is another member, and partitions move."""
BETWEEN_S = (0.5, 3.0)
OWNERS = """
SELECT sum(epoch) FROM (SELECT epoch FROM detector.epoch UNION ALL SELECT epoch FROM notifier.epoch) o
"""
ASSESSED = "SELECT count(*) FROM detector.assessment WHERE practice_id = ANY(%s)"


def _count(fleet: Fleet, query: str, *parameters: object) -> int:
    return int(str(fleet.query(query, *parameters)[0][0]))


@row(scaled=400, full=4_000, in_ci=False)
def test_rebalance_storm(fault_run: FaultRun, size: Size) -> str:
    """Detectors and notifiers join and leave every few seconds: killed, stopped and started in turn."""
    fleet, chosen = fault_run.fleet, random.Random(5)  # noqa: S311 - which replica leaves is no secret
    moves, since = size.pick(20, 200), log_ends(fleet.kafka.bootstrap)
    regular = (*fleet.detectors, NOTIFIER)
    broken_before = fault_run.broken_invariants()
    fleet.restart(regular, AS_STRANGERS)
    owners, killed = _count(fleet, OWNERS), 0
    with fault_run.sending(slices=moves) as gate:
        for number in range(moves):
            process = fleet.processes[chosen.choice((*regular, *SPARES))]
            if process.pid is None:
                process.start(AS_STRANGERS)
            elif number % 2:
                process.kill()
                killed += 1
            else:
                process.signal_stop()
            gate.release()
            fault_run.let_pass(chosen.uniform(*BETWEEN_S))
        assessed = _count(fleet, ASSESSED, list(fault_run.practices))
        for name in (*regular, *SPARES):
            fleet.processes[name].stop()
        moved = _count(fleet, OWNERS) - owners
        for name in regular:
            fleet.processes[name].start()
        for name in regular:
            fleet.processes[name].wait_ready(READY_DEADLINE_S)
    fault_run.measure_recovery()
    fault_run.wait_until_at_rest()
    log = read_log(fleet.kafka.bootstrap, since)
    _, published = of_practices(log, frozenset(fault_run.practices))
    assert invariants.revisions_out_of_order(published) == []
    assert fault_run.broken_invariants() == broken_before
    assert moved >= moves, "hardly a partition changed hands"
    assert assessed, "nothing was assessed during the storm"
    return f"{moves} joins and leaves, {killed} of them kills, {moved:,} takeovers of partitions"
