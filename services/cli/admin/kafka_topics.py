"""Creates and configures the Kafka topics, and compares a cluster's topics with the contracts."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass

from aiokafka.admin import AIOKafkaAdminClient, NewTopic
from aiokafka.admin.config_resource import ConfigResource, ConfigResourceType
from aiokafka.errors import KafkaError, TopicAlreadyExistsError, TopicAuthorizationFailedError, for_code

from schemas.topics import ALL, SEGMENT_MS, Topic
from services.runtime.kafka.client_options import EMBEDDED_PARTITIONS, client_options
from services.runtime.process.settings import KafkaSettings

REPLICATION = 3
TIMEOUT_MS = 30_000
"""How long a broker may take to answer one request."""


@dataclass(frozen=True, slots=True)
class TopicState:
    """One topic of the cluster; `partitions` is 0 when the topic does not exist."""

    partitions: int
    replication: int
    config: dict[str, str]


@dataclass(frozen=True, slots=True)
class Cluster:
    """The cluster's id, its number of brokers, and the state of each topic of this system."""

    id: str
    brokers: int
    topics: dict[str, TopicState]


@asynccontextmanager
async def admin_client(kafka: KafkaSettings) -> AsyncIterator[AIOKafkaAdminClient]:
    """Yield a connected admin client.

    Raises:
        aiokafka.errors.KafkaError: the cluster cannot be reached or refuses the request.
    """
    admin = AIOKafkaAdminClient(**client_options(kafka), request_timeout_ms=TIMEOUT_MS)
    await admin.start()
    try:
        yield admin
    finally:
        await admin.close()


async def describe_cluster(admin: AIOKafkaAdminClient, *, configs: bool = True) -> Cluster:
    """Read the cluster's current topics; `configs` False leaves out their settings.

    Raises:
        aiokafka.errors.KafkaError: the cluster cannot be reached or refuses the request.
    """
    description = await admin.describe_cluster()
    names = [topic.name for topic in ALL]
    described = {entry["topic"]: entry for entry in await admin.describe_topics(names)}
    for name, entry in described.items():
        # A refused topic has no partitions either, and is not missing.
        if entry["error_code"] == TopicAuthorizationFailedError.errno:
            raise TopicAuthorizationFailedError(name)
    existing = [name for name in names if described.get(name, {}).get("partitions")]
    settings = await _configs(admin, existing) if configs else {}
    topics = {}
    for name in names:
        partitions = described.get(name, {}).get("partitions") or []
        replication = min((len(partition["replicas"]) for partition in partitions), default=0)
        topics[name] = TopicState(len(partitions), replication, settings.get(name, {}))
    return Cluster(description["cluster_id"], len(description["brokers"]), topics)


async def _configs(admin: AIOKafkaAdminClient, names: list[str]) -> dict[str, dict[str, str]]:
    if not names:
        return {}
    resources = [ConfigResource(ConfigResourceType.TOPIC, name) for name in names]
    configs: dict[str, dict[str, str]] = {}
    for answer in await admin.describe_configs(resources):
        for resource in answer.resources:
            code, message, _kind, name, entries = resource
            raise_for_code(code, message)
            configs[name] = {entry[0]: entry[1] for entry in entries}
    return configs


def wanted_config(topic: Topic, replication: int) -> dict[str, str]:
    """Return a topic's settings; retention is finite because PostgreSQL keeps the ratings.

    A record is deleted at the latest one segment's span after its retention.
    """
    return {
        "cleanup.policy": "delete",
        "retention.ms": str(topic.retention_ms),
        "segment.ms": str(SEGMENT_MS),
        # A producer's clock decides neither how long its records are kept nor when they seem to be read.
        "message.timestamp.type": "LogAppendTime",
        "min.insync.replicas": "2" if replication >= REPLICATION else "1",
        "unclean.leader.election.enable": "false",
    }


async def apply(admin: AIOKafkaAdminClient, replication: int | None = None) -> list[str]:
    """Create missing topics and correct settings; return one sentence for each change.

    Raises:
        aiokafka.errors.KafkaError: the cluster cannot be reached or refuses the request.
    """
    cluster = await describe_cluster(admin)
    factor = replication or min(REPLICATION, cluster.brokers)
    missing = [topic for topic in ALL if not cluster.topics[topic.name].partitions]
    if missing:
        new = [
            NewTopic(topic.name, topic.partitions, factor, topic_configs=wanted_config(topic, factor))
            for topic in missing
        ]
        created = await admin.create_topics(new, timeout_ms=TIMEOUT_MS)
        for _name, code, message in created.topic_errors:
            if code != TopicAlreadyExistsError.errno:  # by another call at the same time
                raise_for_code(code, message)
    done = [f"created {topic.name}: {topic.partitions} partitions, {factor} copies" for topic in missing]
    for topic in ALL:
        state = cluster.topics[topic.name]
        wanted = wanted_config(topic, state.replication)
        if state.partitions and any(state.config.get(name) != value for name, value in wanted.items()):
            changed = await admin.alter_configs(
                [ConfigResource(ConfigResourceType.TOPIC, topic.name, wanted)]
            )
            for response in changed:
                for code, message, *_ in response.resources:
                    raise_for_code(code, message)
            done.append(f"set {topic.name} to {wanted}")
    return done


def raise_for_code(code: int, message: str | None) -> None:
    """Raise the error that a broker's response names by this code; 0 is none.

    Raises:
        aiokafka.errors.KafkaError: the code is not 0.
    """
    if code:
        error: type[KafkaError] = for_code(code)
        raise error(message or error.__name__)


def differences(cluster: Cluster, *, embedded: bool) -> list[str]:
    """Return one sentence for each difference from the contracts; it ends with what to do."""
    wrong = []
    for topic in ALL:
        state = cluster.topics[topic.name]
        expected = EMBEDDED_PARTITIONS if embedded else topic.partitions
        if not state.partitions:
            # The embedded broker creates a topic on first use.
            wrong += [] if embedded else [f"{topic.name} is missing: run `rapport topics apply`"]
        elif state.partitions != expected:
            wrong.append(
                f"{topic.name} has {state.partitions} partitions and needs {expected}, or else the same key "
                "has different partitions on different topics: stop ingest, let everything be read, delete "
                "it, run `rapport topics apply`, start again, and run `rapport halts repair`"
            )
        elif not embedded:
            wanted = wanted_config(topic, state.replication)
            wrong += [
                f"{topic.name} has {name}={state.config.get(name)} and needs {value}: "
                "run `rapport topics apply`"
                for name, value in wanted.items()
                if state.config.get(name) != value
            ]
    return wrong
