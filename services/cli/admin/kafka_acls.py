"""Compares a cluster's access control lists with the rights that the topics need, and adds missing ones."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from aiokafka.admin import AIOKafkaAdminClient
from aiokafka.protocol.admin import CreateAclsRequest, DescribeAclsRequest

from schemas.topic_rights import Operation, ResourceKind, TopicRight
from services.cli.admin.kafka_topics import raise_for_code

# Kafka's codes: org.apache.kafka.common.acl and .resource.
_ANY = 1
_LITERAL = 3
_ALLOW = 3
_KINDS = {ResourceKind.TOPIC: 2, ResourceKind.GROUP: 3}
_OPERATIONS = {
    Operation.READ: 3,
    Operation.WRITE: 4,
    Operation.CREATE: 5,
    Operation.DELETE: 6,
    Operation.DESCRIBE: 8,
    Operation.DESCRIBE_CONFIGS: 10,
    Operation.ALTER_CONFIGS: 11,
}
_ALL_KINDS = {1: "any", 2: "topic", 3: "group", 4: "cluster", 5: "transactional-id", 6: "delegation-token"}
_ALL_OPERATIONS = {
    **{code: operation.value for operation, code in _OPERATIONS.items()},
    2: "All", 7: "Alter", 9: "ClusterAction", 12: "IdempotentWrite",
}  # fmt: skip
_PATTERNS = {3: "literal", 4: "prefixed"}


@dataclass(frozen=True, slots=True, order=True)
class Acl:
    """One entry of a cluster's lists, in the words of Kafka's own `kafka-acls`."""

    principal: str
    kind: str
    name: str
    operation: str
    pattern: str = "literal"
    permission: str = "allow"
    host: str = "*"

    def __str__(self) -> str:
        return (
            f"{self.permission} {self.principal} {self.operation} on {self.pattern} {self.kind} {self.name}"
        )

    def command(self, verb: str) -> str:
        """Return the options with which `kafka-acls` adds or removes it; `verb` is `add` or `remove`."""
        force = " --force" if verb == "remove" else ""
        return (
            f"--{verb}{force} --{self.permission}-principal '{self.principal}' --operation {self.operation}"
            f" --resource-pattern-type {self.pattern} --{self.kind} '{self.name}'"
        )


@dataclass(frozen=True, slots=True)
class AclDifferences:
    """What the lists lack, and what they hold beyond the rights; both in a fixed order."""

    missing: Sequence[Acl]
    surplus: Sequence[Acl]


def wanted_acls(rights: Iterable[TopicRight], principals: Mapping[str, str]) -> list[Acl]:
    """Return an entry for each right of a role that has a principal, such as `User:ingest`."""
    return [
        Acl(principals[right.role], right.kind, right.name, right.operation)
        for right in rights
        if right.role in principals
    ]


async def read_acls(admin: AIOKafkaAdminClient) -> set[Acl]:
    """Read every entry of the cluster's lists.

    Raises:
        aiokafka.errors.KafkaError: the broker has no authorizer, or this client may not read its lists.
    """
    request = DescribeAclsRequest(_ANY, None, _ANY, None, None, _ANY, _ANY)
    response = await admin._send_request(request)  # noqa: SLF001 - the library has the request and no method
    raise_for_code(response.error_code, response.error_message)
    return {
        Acl(
            principal,
            _ALL_KINDS.get(kind, str(kind)),
            name,
            _ALL_OPERATIONS.get(operation, str(operation)),
            _PATTERNS.get(pattern, str(pattern)),
            "allow" if permission == _ALLOW else "deny",
            host,
        )
        for kind, name, pattern, entries in response.resources
        for principal, host, operation, permission in entries
    }


def compare(wanted: Sequence[Acl], found: set[Acl]) -> AclDifferences:
    """Compare the entries of the wanted principals; those of others are none of our business."""
    ours = {acl.principal for acl in wanted}
    return AclDifferences(
        sorted(set(wanted) - found), sorted(acl for acl in found - set(wanted) if acl.principal in ours)
    )


async def add_acls(admin: AIOKafkaAdminClient, missing: Sequence[Acl]) -> None:
    """Add entries.

    Raises:
        aiokafka.errors.KafkaError: the broker has no authorizer, or this client may not change its lists.
    """
    for acl in missing:
        kind, operation = _KINDS[ResourceKind(acl.kind)], _OPERATIONS[Operation(acl.operation)]
        request = CreateAclsRequest(kind, acl.name, _LITERAL, acl.principal, acl.host, operation, _ALLOW)
        response = await admin._send_request(request)  # noqa: SLF001 - as above
        for code, message in response.creation_responses:
            raise_for_code(code, message)
