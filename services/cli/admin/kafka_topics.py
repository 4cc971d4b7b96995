"""Kafka's admin door in; the topics as they are, and what is wrong with them, out."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass

from aiokafka.admin import AIOKafkaAdminClient, NewTopic
from aiokafka.admin.config_resource import ConfigResource, ConfigResourceType

from schemas.topics import ALL, Topic
from services.runtime.kafka.client_options import EMBEDDED_PARTITIONS, client_options
from services.runtime.process.settings import KafkaSettings

REPLICATION = 3
TIMEOUT_MS = 10_000


@dataclass(frozen=True, slots=True)
class TopicState:
    """One topic as the cluster has it; `partitions` 0 where it is missing."""

    partitions: int
    replication: int
    config: dict[str, str]


@dataclass(frozen=True, slots=True)
class Cluster:
    """The cluster's id, how many brokers it has, and the topics of this system."""

    id: str
    brokers: int
    topics: dict[str, TopicState]


@asynccontextmanager
async def admin_client(kafka: KafkaSettings) -> AsyncIterator[AIOKafkaAdminClient]:
    """A connected admin client.

    Raises:
        aiokafka.errors.KafkaError: the cluster cannot be reached, or refuses.
    """
    admin = AIOKafkaAdminClient(**client_options(kafka), request_timeout_ms=TIMEOUT_MS)
    await admin.start()
    try:
        yield admin
    finally:
        await admin.close()


async def describe_cluster(admin: AIOKafkaAdminClient, *, configs: bool = True) -> Cluster:
    """What is there now."""
    about = await admin.describe_cluster()
    names = [topic.name for topic in ALL]
    described = {entry["topic"]: entry for entry in await admin.describe_topics(names)}
    there = [name for name in names if described.get(name, {}).get("partitions")]
    settings = await _configs(admin, there) if configs else {}
    topics = {}
    for name in names:
        partitions = described.get(name, {}).get("partitions") or []
        replication = min((len(partition["replicas"]) for partition in partitions), default=0)
        topics[name] = TopicState(len(partitions), replication, settings.get(name, {}))
    return Cluster(about["cluster_id"], len(about["brokers"]), topics)


async def _configs(admin: AIOKafkaAdminClient, names: list[str]) -> dict[str, dict[str, str]]:
    if not names:
        return {}
    asked = [ConfigResource(ConfigResourceType.TOPIC, name) for name in names]
    found: dict[str, dict[str, str]] = {}
    for answer in await admin.describe_configs(asked):
        for resource in answer.resources:
            _code, _message, _kind, name, entries = resource
            found[name] = {entry[0]: entry[1] for entry in entries}
    return found


def wanted_config(topic: Topic, replication: int) -> dict[str, str]:
    """The settings of a topic: PostgreSQL is the record, so it is finite; nothing lies on one node alone."""
    return {
        "cleanup.policy": "delete",
        "retention.ms": str(topic.retention_ms),
        "min.insync.replicas": "2" if replication >= REPLICATION else "1",
        "unclean.leader.election.enable": "false",
    }


async def apply(admin: AIOKafkaAdminClient, replication: int | None = None) -> list[str]:
    """Create what is missing and set what differs; returns one sentence for each thing done."""
    cluster = await describe_cluster(admin)
    factor = replication or min(REPLICATION, cluster.brokers)
    missing = [topic for topic in ALL if not cluster.topics[topic.name].partitions]
    if missing:
        new = [
            NewTopic(topic.name, topic.partitions, factor, topic_configs=wanted_config(topic, factor))
            for topic in missing
        ]
        await admin.create_topics(new, timeout_ms=TIMEOUT_MS)
    done = [f"created {each.name}: {each.partitions} partitions, {factor} copies" for each in missing]
    for topic in ALL:
        found = cluster.topics[topic.name]
        wanted = wanted_config(topic, found.replication)
        if found.partitions and any(found.config.get(name) != value for name, value in wanted.items()):
            await admin.alter_configs([ConfigResource(ConfigResourceType.TOPIC, topic.name, wanted)])
            done.append(f"set {topic.name} to {wanted}")
    return done


def differences(cluster: Cluster, *, embedded: bool) -> list[str]:
    """What is wrong with the topics: one sentence each, with what to do."""
    wrong = []
    for topic in ALL:
        found = cluster.topics[topic.name]
        expected = EMBEDDED_PARTITIONS if embedded else topic.partitions
        if not found.partitions:
            # The embedded broker makes a topic when it is first used.
            wrong += [] if embedded else [f"{topic.name} is missing: run `rapport topics apply`"]
        elif found.partitions != expected:
            wrong.append(
                f"{topic.name} has {found.partitions} partitions and needs {expected}: keys would lie in "
                "other partitions than those of the other topics; delete it and run `rapport topics apply`"
            )
        elif not embedded:
            wanted = wanted_config(topic, found.replication)
            wrong += [
                f"{topic.name} has {name}={found.config.get(name)} and needs {value}: "
                "run `rapport topics apply`"
                for name, value in wanted.items()
                if found.config.get(name) != value
            ]
    return wrong
