"""Checks broker, topics, database, services and keys, and says what to do about each problem."""

from collections.abc import AsyncIterator

import httpx
import psycopg

from services.cli import plugins
from services.cli.admin.consumer_lag import check_lag
from services.cli.client.api_client import http_client
from services.cli.endpoints import RUN_UP, Endpoints
from services.runtime.process.cli_plugin import CheckResult, Verdict
from services.runtime.process.log import describe

READ_THE_LOG = "read its log (`.rapport/logs`)"


async def run_checks(endpoints: Endpoints) -> AsyncIterator[CheckResult]:
    """Yield the result of every check, in the order in which the parts depend on one another."""
    for checks in (_check_kafka, check_database, check_lag):
        async for result in checks(endpoints):
            yield result
    for service, name in (("ingest", "ingest"), ("results", "detector"), ("notifier", "notifier")):
        yield _check_service(endpoints, service, name)
    yield _check_keys(endpoints)


async def _check_kafka(endpoints: Endpoints) -> AsyncIterator[CheckResult]:
    from aiokafka.errors import KafkaError

    from services.cli.admin import kafka_topics

    kafka = endpoints.kafka
    address = kafka.bootstrap_servers
    try:
        async with kafka_topics.admin_client(kafka) as admin:
            cluster = await kafka_topics.describe_cluster(admin, configs=not kafka.embedded)
    except (KafkaError, OSError, TimeoutError) as error:
        todo = "start it (`make kafka`, `rapport up`), or set KAFKA_BOOTSTRAP_SERVERS and its credentials"
        yield CheckResult("Kafka", Verdict.BAD, f"{address} does not answer ({type(error).__name__})", todo)
        return
    yield CheckResult(
        "Kafka", Verdict.GOOD, f"cluster {cluster.id} at {address}, {cluster.brokers} broker(s)"
    )
    if kafka.embedded:
        yield CheckResult(
            "Kafka replication",
            Verdict.NOTICE,
            "the embedded broker keeps records in memory only",
            "fine for a trial; use Apache Kafka with three brokers for real ratings",
        )
    elif cluster.brokers < kafka_topics.REPLICATION:
        yield CheckResult(
            "Kafka replication",
            Verdict.NOTICE,
            f"{cluster.brokers} broker(s): an accepted rating is on one disk only until PostgreSQL has it",
            "use three brokers, replication 3 and min.insync.replicas 2 to survive the loss of one",
        )
    wrong = kafka_topics.differences(cluster, embedded=kafka.embedded)
    if not wrong:
        yield CheckResult("topics", Verdict.GOOD, "all match the contracts")
    for sentence in wrong:
        problem, _, todo = sentence.rpartition(": ")
        yield CheckResult("topics", Verdict.BAD, problem, todo)


async def check_database(endpoints: Endpoints) -> AsyncIterator[CheckResult]:
    from services.runtime.postgres.connect import HAS_TRANSACTION_TIMEOUT, connect_for_all_practices, conninfo
    from services.runtime.postgres.migrations import pending
    from services.runtime.postgres.tenant_guard import unbound_logins

    settings = endpoints.database
    try:
        connection = await connect_for_all_practices(settings, "doctor")
    except psycopg.OperationalError as error:
        todo = "start it, or set DATABASE_URL (and DATABASE_PASSWORD_FILE, DATABASE_SSLMODE)"
        yield CheckResult("PostgreSQL", Verdict.BAD, f"cannot be used ({describe(error)})", todo)
        return
    async with connection:
        version = str(connection.info.server_version // 10_000)
        yield CheckResult("PostgreSQL", Verdict.GOOD, f"version {version} answers")
        if connection.info.server_version < HAS_TRANSACTION_TIMEOUT:
            yield CheckResult(
                "PostgreSQL's time limits",
                Verdict.NOTICE,
                "before version 17 a frozen process keeps its locks for as long as it is frozen",
                "use PostgreSQL 17 or newer",
            )
        behind = {
            name: pending(conninfo(settings, "doctor"), name) for name in plugins.services_with_tables()
        }
        for name, missing in behind.items():
            state = f"{len(missing)} migration(s) are missing" if missing else "up to date"
            verdict = Verdict.BAD if missing else Verdict.GOOD
            yield CheckResult(f"tables of {name}", verdict, state, "run `rapport migrate`" if missing else "")
        if any(behind.values()):
            return
        for name in behind:
            for login, why in (await unbound_logins(connection, name)).items():
                problem, _, todo = why.partition(": ")
                found = f"{problem}: a service that connects as {login} answers every request with 503"
                yield CheckResult(f"requests of {name}", Verdict.BAD, found, todo)
        for plugin in plugins.installed():
            if plugin.check is not None:
                for result in await plugin.check(connection):
                    yield result


def _check_service(endpoints: Endpoints, service: str, name: str) -> CheckResult:
    url = endpoints.known_url(service)
    if url is None:
        todo = f"set RAPPORT_{service.upper()}_URL, or {RUN_UP}"
        return CheckResult(name, Verdict.BAD, "its address is not configured", todo)
    try:
        with http_client(url) as client:
            standing = client.get("/healthz", timeout=3).json()
            is_healthy: bool = standing["healthy"]
    except (httpx.HTTPError, ValueError, KeyError) as error:
        return CheckResult(name, Verdict.BAD, f"{url} does not answer ({type(error).__name__})", READ_THE_LOG)
    if is_healthy:
        return CheckResult(name, Verdict.GOOD, f"{url} is healthy")
    # Only the management port gives reasons.
    checks: dict[str, str] = standing.get("checks", {})
    bad = "; ".join(f"{check}: {state}" for check, state in checks.items() if state != "good")
    found = f"{url} is not healthy{': ' if bad else ''}{bad}"
    todo = READ_THE_LOG if bad else f"set RAPPORT_{service.upper()}_MANAGEMENT_URL to read why"
    return CheckResult(name, Verdict.BAD, found, todo)


def _check_keys(endpoints: Endpoints) -> CheckResult:
    from services.runtime.http.key_file import read_keys
    from services.runtime.process.errors import Halt

    try:
        count = len(read_keys(endpoints.credentials))
    except Halt as halt:
        return CheckResult("keys", Verdict.BAD, str(halt), "restore the file from a backup")
    if not count:
        return CheckResult(
            "keys",
            Verdict.NOTICE,
            "there is no key yet, so nobody can send ratings",
            "run `rapport practices add NAME`",
        )
    return CheckResult("keys", Verdict.GOOD, f"{count} in {endpoints.credentials}")
