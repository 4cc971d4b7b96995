"""Runs the three services as processes on a Kafka and a fresh database, and starts, kills and queries them.

`running_stack` yields a `ServiceStack`. Nothing here sleeps for a fixed time: every wait has a condition
and a deadline.
"""

import asyncio
import json
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path

from pydantic import SecretStr

from services.cli.admin import practices as practice_admin
from services.cli.client.api_client import ApiClient
from services.cli.client.mail_catcher_client import MailCatcherClient
from services.cli.client.send_ratings import DeliveryReport, RatingToSend, send_ratings
from services.cli.client.stack_access import StackAccess
from services.cli.demo.balance import NetworkBalance, read_balance
from services.cli.demo.wait_settled import SettledState, wait_until_settled
from services.cli.home import Home
from services.cli.local.embedded import mail_catcher
from services.cli.local.supervisor import READY_DEADLINE_S, BackingServices, Supervisor
from services.cli.plugins import services_with_tables
from services.runtime.http.key_file import add_key
from services.runtime.postgres.connect import conninfo
from services.runtime.postgres.migrations import migrate
from services.runtime.process.settings import DatabaseSettings
from tests.support.backend import Backend

ALERT_ON_ALL_SESSIONS = {"tell_from": "always", "max_age_days": "none", "mail_timing": "immediate"}
POLL_S = 0.05


def wait_until(holds: Callable[[], bool], what: str, deadline_s: float = 30.0) -> None:
    """Return once `holds()`; fail with `what` when it does not within the deadline."""
    ends = time.monotonic() + deadline_s
    while not holds():
        assert time.monotonic() < ends, f"not within {deadline_s:.0f} s: {what}"
        time.sleep(POLL_S)


class ServiceStack:
    """Ingest, detector and notifier; names are those of `services/`."""

    def __init__(self, supervisor: Supervisor, client: ApiClient, where: StackAccess) -> None:
        self.supervisor = supervisor
        self.client = client
        self.where = where
        self.mails = MailCatcherClient(where.mail_url or "")
        self.report = DeliveryReport()
        """Everything sent through this stack so far."""
        self.unverified: list[tuple[str | None, str]] = []

    def start(self, name: str) -> None:
        """Start one service and return when it is ready."""
        process = self.supervisor.processes[name]
        process.start()
        process.wait_ready(READY_DEADLINE_S)

    def stop(self, name: str) -> int | None:
        """Stop one service cleanly; its exit code."""
        return self.supervisor.processes[name].stop()

    def kill(self, name: str) -> None:
        """kill -9."""
        self.supervisor.processes[name].kill()

    def restart(self, name: str) -> None:
        """Stop cleanly, and start."""
        self.stop(name)
        self.start(name)

    def wait_ready(self, name: str) -> None:
        """Wait until one service is ready."""
        self.supervisor.processes[name].wait_ready(READY_DEADLINE_S)

    def log_of(self, name: str) -> list[dict[str, object]]:
        """The service's log so far, lines that are JSON."""
        lines = self.supervisor.processes[name].log.read_text().splitlines()
        return [json.loads(line) for line in lines if line.startswith("{")]

    def send(
        self, practice: str, ratings: Sequence[Mapping[str, object]], *, rate: float | None = None
    ) -> DeliveryReport:
        """Send ratings in order through ingest's batch door and return what became of these."""
        report = DeliveryReport(accepted_ids=[])
        items = [
            RatingToSend(line, practice, json.dumps(body).encode())
            for line, body in enumerate(ratings, start=1)
        ]
        send_ratings(self.client, items, report, rate=rate)
        self.report.done += report.done
        self.report.accepted += report.accepted
        self.report.sent_again += report.sent_again
        self.unverified += report.unverified
        return report

    def balance(self) -> NetworkBalance:
        """All practices' numbers now."""
        return read_balance(self.client, self.where.practices)

    def settled(self, accepted: int | None = None) -> SettledState:
        """Wait until everything accepted (by default: all sent through here) has an outcome, every change is
        decided upon and every message sent; fails with what is unfinished."""
        expected = self.report.accepted if accepted is None else accepted
        found = wait_until_settled(self.where, self.client, expected, lambda _done: None, self.unverified)
        assert found.unfinished is None, found.unfinished
        return found


def settings_for(database_url: str) -> DatabaseSettings:
    """The settings that reach a test's database."""
    return DatabaseSettings(url=SecretStr(database_url))


@contextmanager
def running_stack(
    backend: Backend,
    database_url: str,
    folder: Path,
    *,
    practices: Sequence[str] = ("north",),
    options: Mapping[str, str] = ALERT_ON_ALL_SESSIONS,
    start: Sequence[str] = ("notifier", "detector", "ingest"),
    environment: Mapping[str, str] | None = None,
) -> Iterator[ServiceStack]:
    """Migrate, add the practices, start the services named in `start` in this order, and wait until ready.

    `environment` is added to every service's own.
    """
    home = Home(folder)
    database = settings_for(database_url)
    for service in services_with_tables():
        migrate(conninfo(database), service)
    for practice in practices:
        asyncio.run(practice_admin.store_practice(database, practice, options))
    key = add_key(
        home.credentials, grants=practices, scopes=practice_admin.SCOPES, network=True, label="test"
    )
    with mail_catcher() as (smtp_port, mail_url):
        kafka = {**backend.kafka_env, **(environment or {})}
        supervisor = Supervisor(home, BackingServices(kafka, database_url, smtp_port))
        urls = supervisor.urls
        where = StackAccess(
            urls["ingest"], urls["detector"], urls["notifier"], tuple(practices), key.secret, mail_url
        )
        try:
            for name in start:
                supervisor.processes[name].start()
            for name in start:
                supervisor.processes[name].wait_ready(READY_DEADLINE_S)
            with where.open_client() as client:
                yield ServiceStack(supervisor, client, where)
        finally:
            supervisor.stop()
