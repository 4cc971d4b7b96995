"""Runs the whole system as processes on a real Kafka and a real PostgreSQL, with several detectors.

Between the services and PostgreSQL stands a `Link`, which can be slow or cut. Each replica signs in to
PostgreSQL under its own name, so that a test sees which one is inside a transaction.
"""

import asyncio
import os
import signal
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from pathlib import Path
from urllib.parse import urlsplit, urlunsplit

import httpx
import psycopg
from pydantic import SecretStr

from deploy.kafka.run import KafkaNode
from services.cli.admin import practices as practice_admin
from services.cli.home import Home
from services.cli.plugins import services_with_tables
from services.runtime.http.key_file import add_key
from services.runtime.postgres.connect import conninfo
from services.runtime.postgres.migrations import migrate
from services.runtime.process.settings import DatabaseSettings
from tests.support.backend import real_backend
from tests.support.faults.forked_process import ForkedProcess
from tests.support.faults.link import Link, forwarded
from tests.support.faults.postgres_server import PostgresNode
from tests.support.faults.running_sinks import running_sinks
from tests.support.ports import lasting_ports
from tests.support.service_stack import ALERT_ON_ALL_SESSIONS

DETECTORS = ("detector-1", "detector-2", "detector-3")
INGEST, NOTIFIER = "ingest", "notifier"
SPARES = ("detector-spare", "notifier-spare")
"""Further replicas, which run only while a row has started them."""
INGEST_SPARE = "ingest-spare"
"""Another one, to which `Fleet.taking` may lead what is sent."""
READY_DEADLINE_S = 600.0
SECRET = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSwMfKQ9r8GKYo="
POLL_S = 0.02


class Fleet:
    """The processes of one system; names are `ingest`, `notifier`, and those of the detectors."""

    def __init__(
        self,
        kafka: KafkaNode,
        postgres: PostgresNode,
        link: Link,
        database_url: str,
        folder: Path,
        detectors: Sequence[str],
    ) -> None:
        self.kafka = kafka
        self.postgres = postgres
        self.link = link
        self.database_url = database_url
        """Leads to PostgreSQL itself and not over the link."""
        self.detectors = tuple(detectors)
        self.home = Home(folder)
        self.sinks = folder / "sinks"
        self.sinks.mkdir()
        self.processes: dict[str, ForkedProcess] = {}
        self.taking = INGEST
        """The replica of ingest to which ratings are sent, as a proxy in front would choose it."""
        self._webhook_port = 0

    @property
    def ingest_url(self) -> str:
        """Where ratings are sent to."""
        return self.processes[self.taking].url

    def prepare(self, smtp_port: int, webhook_port: int) -> None:
        """Create the tables, and the processes without starting them."""
        self._webhook_port = webhook_port
        for service in services_with_tables():
            migrate(conninfo(self._settings()), service)
        # Two in a row: the second one is for management.
        ports = {
            name: lasting_ports(2) for name in (INGEST, INGEST_SPARE, NOTIFIER, *self.detectors, *SPARES)
        }
        urls = {name: f"http://127.0.0.1:{port}" for name, port in ports.items()}
        own = {
            INGEST: {
                "RAPPORT_KEY_SECRET_FILE": str(self.home.secret("record-key")),
                "INGEST_RESULTS_URL": urls[self.detectors[0]],
            },
            "notifier": {
                "NOTIFIER_PUBLIC_URL": urls[NOTIFIER],
                "NOTIFIER_MAIL_FROM": "rapport@localhost",
                "NOTIFIER_SMTP_HOST": "127.0.0.1",
                "NOTIFIER_SMTP_PORT": str(smtp_port),
                "NOTIFIER_SMTP_TLS": "none",
                "NOTIFIER_SIGNING_SECRET_FILE": str(self.home.secret("signing")),
                "NOTIFIER_ALLOW_PRIVATE_WEBHOOKS": "true",
            },
            # What waits for the sweep is not to keep a row waiting.
            "detector": {"DETECTOR_SWEEP_EVERY_S": "5"},
        }
        for name, port in ports.items():
            service = name.partition("-")[0]
            environment = {
                "KAFKA_BOOTSTRAP_SERVERS": self.kafka.bootstrap,
                # A replica that comes back gets its partitions without a wait for the session timeout.
                "KAFKA_GROUP_INSTANCE_ID": name,
                "DATABASE_URL": self._url_of(name),
                "HTTP_HOST": "127.0.0.1",
                "HTTP_PORT": str(port),
                "HTTP_MANAGEMENT_HOST": "127.0.0.1",
                "HTTP_MANAGEMENT_PORT": str(port + 1),
                "RAPPORT_CREDENTIALS_FILE": str(self.home.credentials),
                **own[service],
            }
            self.processes[name] = ForkedProcess(
                name,
                f"services.{service}",
                environment,
                self.home.logs / f"{name}.log",
                urls[name],
                management_url=f"http://127.0.0.1:{port + 1}",
            )
        self._create_roles()
        self.key(["nobody"])  # a service is not ready without a file of keys

    def _settings(self) -> DatabaseSettings:
        return DatabaseSettings(url=SecretStr(self.database_url))

    def _url_of(self, name: str) -> str:
        parts = urlsplit(self.database_url)
        return urlunsplit(parts._replace(netloc=f"{role(name)}@127.0.0.1:{self.link.port}"))

    def _create_roles(self) -> None:
        with psycopg.connect(self.database_url, autocommit=True) as admin:
            known = {name for (name,) in admin.execute("SELECT rolname FROM pg_roles").fetchall()}
            for name in map(role, self.processes):
                if name not in known:
                    # As owner of everything: what is tested is not who may do what.
                    admin.execute(f"CREATE ROLE {name} LOGIN SUPERUSER".encode())

    def start(self) -> None:
        """Start every process and return when all are ready."""
        names = (NOTIFIER, *self.detectors, INGEST)
        for name in names:
            self.processes[name].start()
        for name in names:
            self.processes[name].wait_ready(READY_DEADLINE_S)

    def restart(self, names: Sequence[str], extra: Mapping[str, str] | None = None) -> None:
        """End these processes and start them again, with `extra` environment; return when all are ready."""
        for name in names:
            self.processes[name].signal_stop()
        for name in names:
            self.processes[name].stop()
        for name in names:
            self.processes[name].start(extra)
        for name in names:
            self.processes[name].wait_ready(READY_DEADLINE_S)

    def signal(self, name: str, number: signal.Signals) -> None:
        """Send a signal to a process."""
        pid = self.processes[name].pid
        assert pid is not None, f"{name} does not run"
        os.kill(pid, number)

    def stop(self) -> None:
        """End every process."""
        for name, process in self.processes.items():
            if process.pid is not None:
                self.signal(name, signal.SIGCONT)
            process.signal_stop()
        for process in self.processes.values():
            process.stop()

    def describe(self) -> str:
        """Return for each process whether it runs, what its health says, and the end of its log."""
        lines = []
        for name, process in self.processes.items():
            try:
                answer = httpx.get(f"{process.management_url}/healthz", trust_env=False, timeout=5)
                health = answer.text
            except httpx.HTTPError as error:
                health = type(error).__name__
            lines.append(f"{name}: pid {process.pid}, {health}; {process.last_log_line()}")
        lines.append(f"PostgreSQL: {self.postgres.last_words()[-500:]}")
        return "\n".join(lines)

    def add_practice(self, practice: str, therapists: Sequence[str]) -> None:
        """Add a practice whose therapists get every message at once, as mail and as webhook call."""
        self.set_options(practice, {})
        self.put_therapists(practice, therapists, f"http://127.0.0.1:{self._webhook_port}/{practice}")

    def set_options(self, practice: str, options: Mapping[str, str]) -> None:
        """Store a practice with these options beside those that let it be told of every session."""
        given = {**ALERT_ON_ALL_SESSIONS, **options}
        asyncio.run(practice_admin.store_practice(self._settings(), practice, given))

    def put_therapists(self, practice: str, therapists: Sequence[str], webhook_url: str) -> None:
        """Write therapists of Berlin to the directory; their webhook calls go to this URL."""
        key = self.key([practice])
        headers = {"Authorization": f"Bearer {key}", "Rapport-Practice": practice}
        with httpx.Client(base_url=self.processes[NOTIFIER].url, trust_env=False, timeout=30) as client:
            for therapist in therapists:
                entry = {
                    "address": f"{therapist}@{practice}.example",
                    "time_zone": "Europe/Berlin",
                    "channels": ["inbox", "email", "webhook"],
                    "webhook": {"url": webhook_url, "secret": SECRET},
                }
                answer = client.put(f"/v1/therapists/{therapist}", json=entry, headers=headers)
                assert answer.is_success, answer.text

    def key(self, practices: Sequence[str]) -> str:
        """Return the secret of a new key with every scope for these practices."""
        issued = add_key(
            self.home.credentials,
            grants=practices,
            scopes=practice_admin.SCOPES,
            network=True,
            label="faults",
        )
        return str(issued.secret)

    def query(self, sql: str, *parameters: object) -> list[tuple[object, ...]]:
        """Return the rows of a statement, if it has any; the connection does not go over the link."""
        with psycopg.connect(self.database_url, autocommit=True, connect_timeout=5) as conn:
            found = conn.execute(sql.encode(), parameters or None)
            return [] if found.description is None else found.fetchall()

    @contextmanager
    def watched(self) -> Iterator[Callable[[str], bool]]:
        """Yield a function that says whether a replica is inside a transaction just now."""
        with psycopg.connect(self.database_url, autocommit=True) as conn:
            query = """
                SELECT count(*) FROM pg_stat_activity
                WHERE usename = %s AND backend_xid IS NOT NULL AND state <> 'idle'"""

            def is_inside(name: str) -> bool:
                row = conn.execute(query.encode(), (role(name),)).fetchone()
                return row is not None and bool(row[0])

            yield is_inside

    def wait_inside(self, name: str, deadline_s: float = 30.0) -> bool:
        """Return True as soon as a replica has written something in a transaction that is still open; False
        when it does not within the deadline."""
        ends = time.monotonic() + deadline_s
        with self.watched() as is_inside:
            while time.monotonic() < ends:
                if is_inside(name):
                    return True
        return False


def role(name: str) -> str:
    """Return the name under which a replica signs in to PostgreSQL."""
    return name.replace("-", "_")


@contextmanager
def running_fleet(
    kafka: KafkaNode,
    postgres: PostgresNode,
    folder: Path,
    *,
    detectors: Sequence[str] = DETECTORS,
    tablespace: str | None = None,
) -> Iterator[Fleet]:
    """Run a system with empty topics and a new database, in `tablespace` if one is given."""
    name = f"faults_{time.time_ns()}"
    with psycopg.connect(postgres.url, autocommit=True) as admin:
        where = f" TABLESPACE {tablespace}" if tablespace else ""
        admin.execute(f"CREATE DATABASE {name}{where}".encode())
    database_url = urlunsplit(urlsplit(postgres.url)._replace(path=f"/{name}"))
    with ExitStack() as stack:
        stack.enter_context(real_backend(kafka))
        link = stack.enter_context(forwarded("127.0.0.1", postgres.port))
        fleet = Fleet(kafka, postgres, link, database_url, folder, detectors)
        stack.callback(fleet.stop)
        fleet.prepare(*stack.enter_context(running_sinks(fleet.sinks)))
        fleet.start()
        yield fleet
