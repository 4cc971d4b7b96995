"""Runs the whole system on this machine: broker, database, mail catcher and services."""

import os
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass

from pydantic import SecretStr

from services.cli.home import Home, RunningStack
from services.cli.local.embedded import embedded_broker, mail_catcher, postgres, with_database
from services.cli.local.supervisor import BackingServices, Supervisor, supervised
from services.cli.plugins import services_with_tables
from services.runtime.postgres.connect import conninfo
from services.runtime.postgres.migrations import migrate
from services.runtime.process.settings import DatabaseSettings, KafkaSettings

Echo = Callable[[str], None]


@dataclass(frozen=True, slots=True)
class LocalStack:
    """A running stack and how to reach it."""

    home: Home
    supervisor: Supervisor
    running: RunningStack
    database: DatabaseSettings


@contextmanager
def local_stack(
    home: Home, *, database: str, fresh: bool, embedded_only: bool, echo: Echo
) -> Iterator[LocalStack]:
    """Run everything for the duration of the block; `echo` is called with a line for each part that starts.

    `KAFKA_BOOTSTRAP_SERVERS` and `DATABASE_URL` of the environment replace the embedded broker and database,
    unless `embedded_only`. `fresh` deletes the embedded database first.

    Raises:
        StartFailed: a part did not start; the message names the reason and the log.
    """
    with ExitStack() as parts:
        kafka = parts.enter_context(_kafka(echo, embedded_only=embedded_only))
        url = parts.enter_context(_database(home, database, echo, fresh=fresh, embedded_only=embedded_only))
        settings = DatabaseSettings(url=SecretStr(url))
        for service in services_with_tables():
            migrate(conninfo(settings, "up"), service)
        smtp_port, mail_url = parts.enter_context(mail_catcher())
        echo(f"mail catcher          {mail_url}  (no mail leaves this machine)")
        if not home.credentials.exists():
            home.credentials.write_text('{"keys": []}\n')  # the services do not start without the file
        supervisor = parts.enter_context(supervised(home, BackingServices(kafka, url, smtp_port)))
        running = _running_stack(supervisor, kafka, url, mail_url)
        home.record_running(running)
        parts.callback(home.clear_running)
        page = f"{running.management_urls['ingest']}/docs"
        echo(f"ingest                {running.ingest_url}  (try it: {page})")
        echo(f"detector and results  {running.results_url}")
        echo(f"notifier and inbox    {running.notifier_url}")
        echo(f"logs                  {home.logs}")
        yield LocalStack(home, supervisor, running, settings)


@contextmanager
def _kafka(echo: Echo, *, embedded_only: bool) -> Iterator[Mapping[str, str]]:
    kafka = {name: value for name, value in os.environ.items() if name.startswith("KAFKA_")}
    if "KAFKA_BOOTSTRAP_SERVERS" in kafka and not embedded_only:
        _apply_topics()
        echo(f"Kafka                 {kafka['KAFKA_BOOTSTRAP_SERVERS']}  (from the environment)")
        yield kafka
        return
    with embedded_broker() as kafka:
        echo(f"Kafka, embedded       {kafka['KAFKA_BOOTSTRAP_SERVERS']}  (in memory, for trials)")
        yield kafka


@contextmanager
def _database(home: Home, name: str, echo: Echo, *, fresh: bool, embedded_only: bool) -> Iterator[str]:
    if "DATABASE_URL" in os.environ and not embedded_only:
        echo("PostgreSQL            from the environment")
        yield os.environ["DATABASE_URL"]
        return
    with postgres(home) as server:
        url = with_database(server, name, fresh=fresh)
        echo(f"PostgreSQL            {home.postgres}  (survives restarts)")
        yield url


def _apply_topics() -> None:
    import asyncio

    from services.cli.admin import kafka_topics

    async def work() -> None:
        async with kafka_topics.admin_client(KafkaSettings()) as admin:
            await kafka_topics.apply(admin)

    asyncio.run(work())


def _running_stack(
    supervisor: Supervisor, kafka: Mapping[str, str], database_url: str, mail_url: str
) -> RunningStack:
    return RunningStack(
        supervisor_pid=os.getpid(),
        ingest_url=supervisor.urls["ingest"],
        results_url=supervisor.urls["detector"],
        notifier_url=supervisor.urls["notifier"],
        mail_url=mail_url,
        database_url=database_url,
        kafka=dict(kafka),
        management_urls={
            "ingest": supervisor.management_urls["ingest"],
            "results": supervisor.management_urls["detector"],
            "notifier": supervisor.management_urls["notifier"],
        },
    )
