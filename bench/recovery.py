"""Measures how soon work goes on after a process was killed, and after the owner of partitions froze.

    python -m bench.recovery [--repetitions 5]

Everything runs on this machine: Apache Kafka, PostgreSQL whose commits wait for the disk, the three services
as processes, and a second detector. What is measured is the time from the moment of the fault until a rating
that is sent at that moment has its inbox item. A service that was killed is started again at once. A detector
that is frozen stays so until the other one has taken its partitions over; ratings of several clients are in
its hands or on their way to it, and the last item counts. It prints every repetition, medians, and the load
of each core, other programs included.

The bounds: 10 s after a kill, 20 s after a freeze.
"""

import argparse
import json
import os
import signal
import statistics
import tempfile
import time
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from pathlib import Path

import httpx

from bench.fairness import LOW, load, rating, send, usual
from services.cli.client.api_client import ApiError
from services.cli.home import Home
from services.cli.local.child_process import ChildProcess
from services.cli.local.supervisor import READY_DEADLINE_S, SERVICES, BackingServices, Supervisor
from tests.support.backend import Backend, real_backend, real_node
from tests.support.postgres import fresh_database, postgres_server
from tests.support.service_stack import ServiceStack, running_stack, wait_until

CLIENTS_OF_FREEZE = 12
"""Enough that some belong to either of the two detectors."""
DEADLINE_S = 300.0
SEND_AGAIN_S = 0.1
MOST_S = {"killed": 10.0, "frozen": 20.0}


def send_until_accepted(stack: ServiceStack, client: str) -> None:
    """Send one low rating; send it again while ingest is away."""
    ends = time.monotonic() + DEADLINE_S
    headers = {"Authorization": f"Bearer {stack.where.key}", "Rapport-Practice": "calm"}
    body = rating(client, 0.02, LOW)
    with httpx.Client(base_url=stack.where.ingest_url, headers=headers, trust_env=False) as http:
        while True:
            try:
                answer = http.post("/v1/ratings", json=body)
            except httpx.HTTPError:
                answer = None
            if answer is not None and answer.is_success:
                return
            if time.monotonic() > ends:
                raise RuntimeError(f"ingest accepted nothing for {DEADLINE_S:.0f} s")
            time.sleep(SEND_AGAIN_S)


def wait_for_items(stack: ServiceStack, number: int) -> None:
    """Wait until this number of items was told in all."""

    def told() -> bool:
        try:
            found = list(stack.client.notifications("calm"))
        except (httpx.HTTPError, ApiError):
            return False  # the notifier is the one that was killed
        items = [one for one in found if one["channel"] == "inbox" and one["outcome"] == "told"]
        return len(items) >= number

    wait_until(told, "an item for each rating", DEADLINE_S)


def seconds_after_kill(stack: ServiceStack, name: str, client: str, told: int) -> float:
    """Kill a service and start it again; return the seconds until a rating has its item."""
    process = stack.supervisor.processes[name]
    began = time.monotonic()
    process.kill()
    process.start()
    send_until_accepted(stack, client)
    wait_for_items(stack, told + 1)
    took = time.monotonic() - began
    process.wait_ready(READY_DEADLINE_S)
    return took


def seconds_after_freeze(
    stack: ServiceStack, frozen: ChildProcess, clients: Sequence[str], told: int
) -> float:
    """Freeze one of two detectors; return the seconds until ratings of all these clients have their items."""
    if frozen.pid is None:
        raise RuntimeError(f"{frozen.name} does not run: {frozen.last_log_line()}")
    send(stack, "calm", [rating(client, 0.02, LOW) for client in clients[:-1]])
    began = time.monotonic()
    os.kill(frozen.pid, signal.SIGSTOP)
    try:
        send(stack, "calm", [rating(clients[-1], 0.02, LOW)])
        wait_for_items(stack, told + len(clients))
        return time.monotonic() - began
    finally:
        os.kill(frozen.pid, signal.SIGCONT)
        frozen.wait_ready(READY_DEADLINE_S)


@contextmanager
def second_detector(backend: Backend, url: str, home: Home) -> Iterator[ChildProcess]:
    """Run another detector of the same group, with the keys and the log of the first."""
    kafka = {**backend.kafka_env, "KAFKA_GROUP_INSTANCE_ID": "second"}
    process = Supervisor(home, BackingServices(kafka, url, 0)).processes["detector"]
    process.start()
    try:
        process.wait_ready(READY_DEADLINE_S)
        yield process
    finally:
        process.stop()


def measure(backend: Backend, url: str, folder: Path, repetitions: int) -> Iterator[dict[str, object]]:
    """Yield each repetition's fault and seconds."""
    killed = [f"{name}-{turn}" for turn in range(repetitions) for name in SERVICES]
    frozen = [[f"f{turn}-{client}" for client in range(CLIENTS_OF_FREEZE)] for turn in range(repetitions)]
    clients = [*killed, *(client for several in frozen for client in several)]
    told = 0
    with running_stack(backend, url, folder, practices=("calm",)) as stack:
        stack.client.put_therapist("calm", "t-1", {"channels": ["inbox"]})
        stack.settled(send(stack, "calm", [one for client in clients for one in usual(client)]))
        for client in killed:
            name = client.partition("-")[0]
            took = seconds_after_kill(stack, name, client, told)
            told += 1
            yield {"fault": "killed", "service": name, "seconds": round(took, 1), "load_of_each_core": load()}
        with second_detector(backend, url, Home(folder)) as second:
            owners = (stack.supervisor.processes["detector"], second)
            for turn, several in enumerate(frozen):
                took = seconds_after_freeze(stack, owners[turn % 2], several, told)
                told += len(several)
                yield {
                    "fault": "frozen",
                    "service": "detector",
                    "seconds": round(took, 1),
                    "load_of_each_core": load(),
                }


def main() -> None:
    """Print every repetition, and medians beside the bounds."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--repetitions", type=int, default=5)
    wanted = parser.parse_args()
    found: dict[tuple[str, str], list[float]] = {}
    with ExitStack() as held:
        folder = Path(held.enter_context(tempfile.TemporaryDirectory(prefix="rapport-bench-")))
        backend = held.enter_context(real_backend(held.enter_context(real_node())))
        url = held.enter_context(fresh_database(held.enter_context(postgres_server(durable=True))))
        for one in measure(backend, url, folder, wanted.repetitions):
            print(json.dumps(one), flush=True)
            key = (str(one["fault"]), str(one["service"]))
            found.setdefault(key, []).append(float(str(one["seconds"])))
    for (fault, service), seconds in found.items():
        print(f"{service} {fault}: median {statistics.median(seconds):.1f} s, bound {MOST_S[fault]:.0f} s")


if __name__ == "__main__":
    main()
