"""Measures what one practice's flood costs another practice: its inbox items, its mail, its sign-in link.

    python -m bench.fairness [--small] [--history 200000] [--sessions 5000] [--rate 10] [--seconds 30]

Everything runs on this machine with the services' own settings: Apache Kafka, PostgreSQL whose commits wait
for the disk, and the three services as processes. First the practice `calm` alone sends ratings, each of
which opens an episode; what is measured is the time from a rating's acceptance to its inbox item. Then it
sends the same number again while the practice `loud` loads a history, sends many sessions of one client as
ratings of today, and has a webhook receiver that takes connections and never answers. In the midst of it a
mail of `calm` and a sign-in link are timed. It prints percentiles of both phases, the load of each core in
each, and how much of `loud` was sent and assessed when the last rating of `calm` was sent.

The bound: the 99th percentile is at most twice the calm one plus 250 ms, mail and link take at most 10 s.
`--small` loads a tenth of the history and of the sessions.
"""

import argparse
import json
import os
import socket
import statistics
import tempfile
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path

import httpx

from bench.latency import percentile
from services.cli.client.send_ratings import DeliveryReport, RatingToSend, send_ratings
from tests.support.backend import Backend, real_backend, real_node
from tests.support.postgres import fresh_database, postgres_server
from tests.support.service_stack import ServiceStack, running_stack, wait_until

NOW = datetime.now(UTC).replace(microsecond=0)
GOOD, LOW = (9.0, 9.0, 9.0, 9.0), (2.0, 1.5, 2.0, 1.5)
USUAL_SESSIONS = 7
SECRET = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSwMfKQ9r8GKYo="  # noqa: S105 - of a receiver that never answers
HANGING_CALLS = 40
HISTORY_SESSIONS = 40
ADDRESS = "probe@calm.example"
DEADLINE_S = 600.0
LOOK_EVERY_S = 2.0
MOST_MAIL_S = 10.0
SMALLER = 10
Rating = dict[str, object]


def rating(client: str, days_ago: float, marks: Sequence[float], therapist: str = "t-1") -> Rating:
    """Return one rating."""
    return {
        "client_id": client,
        "therapist_id": therapist,
        "session_id": f"{client}-{days_ago:.3f}",
        "session_at": (NOW - timedelta(days=days_ago)).isoformat(),
        "instrument": "srs",
        "items": list(marks),
    }


def usual(client: str, therapist: str = "t-1") -> list[Rating]:
    """Return the sessions that make a later low one stand out."""
    return [rating(client, 7 * (USUAL_SESSIONS - week), GOOD, therapist) for week in range(USUAL_SESSIONS)]


def history(ratings: int) -> Iterator[Rating]:
    """Yield a history of clients with `HISTORY_SESSIONS` sessions each, client by client."""
    for number in range(ratings):
        client, session = divmod(number, HISTORY_SESSIONS)
        yield rating(f"h{client}", 400 - 7 * session, [8 + (number * 7 % 9) / 4.5 - 1] * 4)


@contextmanager
def hanging_receiver() -> Iterator[str]:
    """Yield the address of a receiver that takes connections and never answers."""
    with socket.create_server(("127.0.0.1", 0), backlog=200) as server:
        yield f"http://127.0.0.1:{server.getsockname()[1]}/hook"


def send(stack: ServiceStack, practice: str, ratings: Sequence[Rating], *, is_history: bool = False) -> int:
    """Send ratings with a client of their own, so that senders run side by side; return how many."""
    bodies = [RatingToSend(line, practice, json.dumps(one).encode()) for line, one in enumerate(ratings)]
    report = DeliveryReport()
    with stack.where.open_client() as client:
        send_ratings(client, bodies, report, history=is_history)
    if report.accepted != len(ratings):
        raise RuntimeError(f"{practice}: {report.accepted} of {len(ratings)} accepted: {report.refused}")
    return report.accepted


def send_live(stack: ServiceStack, clients: Sequence[str], rate: float) -> None:
    """Send one low rating of each client, each in a request of its own, at a steady rate."""
    began = time.monotonic()
    headers = {"Authorization": f"Bearer {stack.where.key}", "Rapport-Practice": "calm"}
    with httpx.Client(base_url=stack.where.ingest_url, headers=headers, trust_env=False) as http:
        for number, client in enumerate(clients):
            time.sleep(max(0.0, began + number / rate - time.monotonic()))
            http.post("/v1/ratings", json=rating(client, 0.02, LOW)).raise_for_status()


def waits_ms(stack: ServiceStack, began: datetime, number: int) -> list[float]:
    """Wait until `number` ratings since `began` have an inbox item; return the milliseconds of each."""
    ends = time.monotonic() + DEADLINE_S
    while True:
        found = [
            1000 * _seconds(str(one["accepted_at"]), str(one["decided_at"]))
            for one in stack.client.notifications("calm")
            if one["channel"] == "inbox"
            and one["outcome"] == "told"
            and datetime.fromisoformat(str(one["accepted_at"])) >= began
        ]
        if len(found) >= number:
            return found
        if time.monotonic() > ends:
            raise RuntimeError(f"{len(found)} of {number} ratings have an item after {DEADLINE_S:.0f} s")
        time.sleep(LOOK_EVERY_S)  # reading the list is work for the service that is measured


def _seconds(began: str, ended: str) -> float:
    return (datetime.fromisoformat(ended) - datetime.fromisoformat(began)).total_seconds()


def mail_s(stack: ServiceStack) -> tuple[float, float]:
    """Return the seconds until a mail about an item, and until a sign-in link, are in the mailbox."""

    def ask_for_mail() -> None:
        send(stack, "calm", [rating("probe", 0.02, LOW, "probe")])

    def ask_for_link() -> None:
        form = {"address": ADDRESS}
        answer = httpx.post(f"{stack.where.notifier_url}/sign-in/link", data=form, trust_env=False)
        answer.raise_for_status()

    return _until_mailed(stack, ask_for_mail), _until_mailed(stack, ask_for_link)


def _until_mailed(stack: ServiceStack, ask: Callable[[], None]) -> float:
    before, began = stack.mails.count(), time.monotonic()
    ask()
    wait_until(lambda: stack.mails.count() > before, "a mail", DEADLINE_S)
    return time.monotonic() - began


def load() -> float:
    """Return the load of the last minute for each core, other programs included."""
    return round(os.getloadavg()[0] / (os.cpu_count() or 1), 1)


def flood(stack: ServiceStack, wanted: argparse.Namespace) -> list[threading.Thread]:
    """Start what `loud` does; return the threads that do it."""
    lows = [rating(f"w{number}", 0.02, LOW, "hangs") for number in range(HANGING_CALLS)]
    one_client = [rating("many", day / 4, GOOD) for day in range(wanted.sessions, 0, -1)]
    return [
        threading.Thread(target=send, args=(stack, "loud", lows)),
        threading.Thread(
            target=send, args=(stack, "loud", list(history(wanted.history))), kwargs={"is_history": True}
        ),
        threading.Thread(target=send, args=(stack, "loud", one_client)),
    ]


def measure(backend: Backend, server: str, folder: Path, wanted: argparse.Namespace) -> dict[str, object]:
    """Run both phases once."""
    number = round(wanted.rate * wanted.seconds)
    phases = [[f"c{phase}-{client}" for client in range(number)] for phase in range(2)]
    environment = {"NOTIFIER_ALLOW_PRIVATE_WEBHOOKS": "true"}
    with ExitStack() as held:
        url = held.enter_context(fresh_database(server))
        hook = held.enter_context(hanging_receiver())
        stack = held.enter_context(
            running_stack(backend, url, folder, practices=("calm", "loud"), environment=environment)
        )
        put = stack.client.put_therapist
        put("calm", "t-1", {"channels": ["inbox"]})
        put("calm", "probe", {"address": ADDRESS})
        put("loud", "hangs", {"channels": ["inbox", "webhook"], "webhook": {"url": hook, "secret": SECRET}})
        sent = send(stack, "calm", [one for phase in phases for client in phase for one in usual(client)])
        sent += send(stack, "calm", usual("probe", "probe"))
        sent += send(stack, "loud", [one for n in range(HANGING_CALLS) for one in usual(f"w{n}", "hangs")])
        stack.settled(sent)

        began = datetime.now(UTC)
        send_live(stack, phases[0], wanted.rate)
        calm, calm_load = waits_ms(stack, began, number), load()
        threads = flood(stack, wanted)
        for thread in threads:
            thread.start()
        mails: list[tuple[float, float]] = []
        probe = threading.Timer(wanted.seconds / 3, lambda: mails.append(mail_s(stack)))
        probe.start()
        began = datetime.now(UTC)
        send_live(stack, phases[1], wanted.rate)
        still_sending = any(thread.is_alive() for thread in threads)
        assessed = stack.client.results_balance("loud")["deliveries"]["assessed"]
        loud, loud_load = waits_ms(stack, began, number), load()
        for thread in (*threads, probe):
            thread.join()
    ((mail, link),) = mails
    calm_p99, loud_p99 = percentile(calm, 0.99), percentile(loud, 0.99)
    return {
        "ratings": number,
        "calm_p50_ms": round(percentile(calm, 0.5)),
        "calm_p99_ms": round(calm_p99),
        "loud_p50_ms": round(percentile(loud, 0.5)),
        "loud_p99_ms": round(loud_p99),
        "bound_ms": round(2 * calm_p99 + 250),
        "holds": loud_p99 <= 2 * calm_p99 + 250 and max(mail, link) <= MOST_MAIL_S,
        "mail_s": round(mail, 1),
        "link_s": round(link, 1),
        "load_of_each_core": {"calm": calm_load, "loud": loud_load},
        "loud_still_sending_at_the_end": still_sending,
        "assessed_of_loud_at_the_end": assessed,
        "sent_by_loud": wanted.history + wanted.sessions + HANGING_CALLS * (USUAL_SESSIONS + 1),
    }


def main() -> None:
    """Run several times, and print raw runs and medians."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--history", type=int, default=200_000, help="ratings that `loud` loads")
    parser.add_argument("--sessions", type=int, default=5_000, help="sessions of one client of `loud`")
    parser.add_argument("--rate", type=float, default=10)
    parser.add_argument("--seconds", type=float, default=30)
    parser.add_argument("--runs", type=int, default=1)
    parser.add_argument("--small", action="store_true", help="a tenth of the history and of the sessions")
    wanted = parser.parse_args()
    if wanted.small:
        wanted.history, wanted.sessions = wanted.history // SMALLER, wanted.sessions // SMALLER
    runs = []
    with ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="rapport-bench-")))
        node = stack.enter_context(real_node())
        server = stack.enter_context(postgres_server(durable=True))
        for number in range(wanted.runs):
            with real_backend(node) as backend:
                run = measure(backend, server, folder / str(number), wanted)
            runs.append(run)
            print(json.dumps(run), flush=True)
    for name in ("calm_p50_ms", "calm_p99_ms", "loud_p50_ms", "loud_p99_ms", "mail_s", "link_s"):
        print(f"{name}: median {statistics.median(float(str(run[name])) for run in runs):g}")


if __name__ == "__main__":
    main()
