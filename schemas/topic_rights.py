"""States which principal may do what with which topic and consumer group: what Kafka's ACLs must allow.

What is not listed is refused by a broker with an authorizer. Nobody may delete a topic or a group.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from enum import StrEnum

from schemas.topics import ALL, CO_PARTITIONED, GROUPS, LANES, Topic

SERVICES = ("ingest", "detector", "notifier")
OPERATOR = "operator"
"""Whoever runs the commands of `rapport`."""
PRODUCER = "producer"
"""A system that writes ratings straight into Kafka. It can write for every practice."""
ROLES = (*SERVICES, OPERATOR)
"""The roles that every installation has."""


class ResourceKind(StrEnum):
    """What a right is about."""

    TOPIC = "topic"
    GROUP = "group"


class Operation(StrEnum):
    """An operation as Kafka's ACLs name it."""

    READ = "Read"
    WRITE = "Write"
    CREATE = "Create"
    DELETE = "Delete"
    DESCRIBE = "Describe"
    DESCRIBE_CONFIGS = "DescribeConfigs"
    ALTER_CONFIGS = "AlterConfigs"


@dataclass(frozen=True, slots=True)
class TopicRight:
    """One cell of the table: this role may do this with this topic or group, named literally."""

    role: str
    kind: ResourceKind
    name: str
    operation: Operation


def topic_rights() -> list[TopicRight]:
    """Return every right that a role needs, and no other.

    Examples:
        >>> [right.operation.value for right in topic_rights() if right.role == "ingest"]
        ['Write', 'Describe', 'Write', 'Describe']
    """
    return [
        TopicRight(role, ResourceKind.TOPIC, topic.name, operation)
        for role in (*ROLES, PRODUCER)
        for topic in ALL
        for operation in _operations(role, topic)
    ] + [
        TopicRight(role, ResourceKind.GROUP, group, operation)
        for role, group in GROUPS.items()
        for operation in (Operation.READ, Operation.DESCRIBE)
    ]


def _operations(role: str, topic: Topic) -> Iterator[Operation]:
    # The operator publishes a rejected record again to the topic that a service reads.
    if (
        role in topic.written_by
        or (role == OPERATOR and topic.read_by)
        or (role == PRODUCER and topic in LANES)
    ):
        yield Operation.WRITE
    if role == OPERATOR or role in (*topic.read_by, *topic.compared_by):
        yield Operation.READ
    if role == OPERATOR:
        yield from (Operation.CREATE, Operation.DESCRIBE_CONFIGS, Operation.ALTER_CONFIGS)
    # A consumer compares the numbers of partitions of all topics before it starts.
    if role == OPERATOR or topic in LANES or (role in GROUPS and topic in CO_PARTITIONED):
        yield Operation.DESCRIBE
