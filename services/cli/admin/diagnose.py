"""A stack in, what is reachable and what is wrong with it out, each with what to do."""

from collections.abc import AsyncIterator

import httpx
import psycopg

from services.cli import plugins
from services.cli.client.api_client import client
from services.cli.endpoints import Endpoints
from services.runtime.process.cli_plugin import CheckResult, Verdict

LOGS = "its log says why (`.rapport/logs`)"


async def run_checks(endpoints: Endpoints) -> AsyncIterator[CheckResult]:
    """Every check, from the ground up: broker, topics, database, services, keys."""
    for part in (_kafka, _database):
        async for result in part(endpoints):
            yield result
    for service, name in (("ingest", "ingest"), ("results", "detector"), ("notifier", "notifier")):
        yield _ready(endpoints, service, name)
    yield _keys(endpoints)


async def _kafka(endpoints: Endpoints) -> AsyncIterator[CheckResult]:
    from aiokafka.errors import KafkaError

    from services.cli.admin import kafka_topics

    kafka = endpoints.kafka
    at = kafka.bootstrap_servers
    try:
        async with kafka_topics.admin_client(kafka) as admin:
            cluster = await kafka_topics.describe_cluster(admin, configs=not kafka.embedded)
    except (KafkaError, OSError, TimeoutError) as error:
        todo = "start it (`make kafka`, `rapport up`), or set KAFKA_BOOTSTRAP_SERVERS and its credentials"
        yield CheckResult("Kafka", Verdict.BAD, f"{at} does not answer ({type(error).__name__})", todo)
        return
    yield CheckResult("Kafka", Verdict.GOOD, f"cluster {cluster.id} at {at}, {cluster.brokers} broker(s)")
    if kafka.embedded:
        yield CheckResult(
            "Kafka replication",
            Verdict.NOTICE,
            "the embedded broker keeps records in memory only",
            "for trying out; use Apache Kafka with three brokers for ratings that matter",
        )
    elif cluster.brokers < kafka_topics.REPLICATION:
        yield CheckResult(
            "Kafka replication",
            Verdict.NOTICE,
            f"{cluster.brokers} broker(s): an accepted rating lies on one disk until it is in PostgreSQL",
            "three brokers, replication 3 and min.insync.replicas 2 survive the loss of any one",
        )
    wrong = kafka_topics.differences(cluster, embedded=kafka.embedded)
    if not wrong:
        yield CheckResult("topics", Verdict.GOOD, "all as they should be")
    for sentence in wrong:
        found, _, todo = sentence.rpartition(": ")
        yield CheckResult("topics", Verdict.BAD, found, todo)


async def _database(endpoints: Endpoints) -> AsyncIterator[CheckResult]:
    from services.runtime.postgres.connect import connect, conninfo
    from services.runtime.postgres.migrations import pending

    settings = endpoints.database
    try:
        connection = await connect(settings, "doctor")
    except psycopg.OperationalError as error:
        todo = "start it, or set DATABASE_URL (and DATABASE_PASSWORD_FILE, DATABASE_SSLMODE)"
        yield CheckResult("PostgreSQL", Verdict.BAD, f"does not answer ({type(error).__name__})", todo)
        return
    async with connection:
        version = str(connection.info.server_version // 10_000)
        yield CheckResult("PostgreSQL", Verdict.GOOD, f"version {version} answers")
        behind = {
            name: pending(conninfo(settings, "doctor"), name) for name in plugins.services_with_tables()
        }
        for name, missing in behind.items():
            found = f"{len(missing)} migration(s) are missing" if missing else "up to date"
            verdict = Verdict.BAD if missing else Verdict.GOOD
            yield CheckResult(f"tables of {name}", verdict, found, "run `rapport migrate`" if missing else "")
        if any(behind.values()):
            return
        for plugin in plugins.installed():
            if plugin.check is not None:
                for result in await plugin.check(connection):
                    yield result


def _ready(endpoints: Endpoints, service: str, name: str) -> CheckResult:
    url = endpoints.url(service)
    try:
        with client(url) as door:
            answer = door.get("/readyz", timeout=3)
            checks: dict[str, str] = answer.json()["checks"]
    except (httpx.HTTPError, ValueError, KeyError) as error:
        return CheckResult(name, Verdict.BAD, f"{url} does not answer ({type(error).__name__})", LOGS)
    bad = "; ".join(f"{check}: {found}" for check, found in checks.items() if found != "good")
    if bad:
        return CheckResult(name, Verdict.BAD, f"{url} is not ready: {bad}", LOGS)
    return CheckResult(name, Verdict.GOOD, f"{url} is ready")


def _keys(endpoints: Endpoints) -> CheckResult:
    from services.runtime.http.credentials import read_keys
    from services.runtime.process.errors import Halt

    try:
        count = len(read_keys(endpoints.credentials))
    except Halt as halt:
        return CheckResult("keys", Verdict.BAD, str(halt), "restore the file from a backup")
    if not count:
        return CheckResult("keys", Verdict.NOTICE, "nobody may send yet", "run `rapport practices add NAME`")
    return CheckResult("keys", Verdict.GOOD, f"{count} in {endpoints.credentials}")
