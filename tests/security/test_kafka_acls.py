"""Tries every operation of every role on every topic and group, on a Kafka with access control lists."""

import asyncio
import os
import subprocess
import sys
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator, Mapping
from contextlib import asynccontextmanager
from functools import partial
from pathlib import Path
from typing import Any

import pytest
from aiokafka.admin import AIOKafkaAdminClient, NewTopic
from aiokafka.admin.config_resource import ConfigResource, ConfigResourceType
from aiokafka.errors import (
    GroupAuthorizationFailedError,
    GroupCoordinatorNotAvailableError,
    GroupLoadInProgressError,
    KafkaError,
    NotCoordinatorForGroupError,
    NotLeaderForPartitionError,
    TopicAlreadyExistsError,
    TopicAuthorizationFailedError,
    UnknownMemberIdError,
)
from aiokafka.protocol.coordination import FindCoordinatorRequest
from aiokafka.protocol.fetch import FetchRequest
from aiokafka.protocol.group import HeartbeatRequest
from aiokafka.protocol.produce import ProduceRequest
from aiokafka.record.default_records import DefaultRecordBatchBuilder

from schemas.topic_rights import PRODUCER, ROLES, Operation, ResourceKind, TopicRight, topic_rights
from schemas.topics import ALL, GROUPS, PARTITIONS
from services.cli.admin.kafka_topics import raise_for_code, wanted_config
from services.runtime.kafka.client_options import client_options
from services.runtime.process.settings import KafkaSettings
from tests.support.backend import Backend, apply_topics
from tests.support.secured_kafka import ADMIN, SecuredKafka, secured_kafka
from tests.support.service_stack import running_stack, wait_until

pytestmark = [pytest.mark.durable, pytest.mark.timeout(180)]

STRANGER = "stranger"
EVERYBODY = (*ROLES, PRODUCER, STRANGER)
REFUSED = (TopicAuthorizationFailedError, GroupAuthorizationFailedError)


NO_COORDINATOR = (GroupCoordinatorNotAvailableError, GroupLoadInProgressError, NotCoordinatorForGroupError)
"""While the group's log is made: the broker has looked at the rights before."""


def raise_unless(code: int, expected: tuple[type[KafkaError], ...]) -> None:
    """Raise the error of this code if it is not one that only the allowed see."""
    if code not in {error.errno for error in expected}:
        raise_for_code(code, None)


def run_rapport(environment: Mapping[str, str], *words: str) -> subprocess.CompletedProcess[str]:
    """Run a command of `rapport` against the node."""
    return subprocess.run(
        [sys.executable, "-m", "services.cli", *words],
        env={**os.environ, **environment}, capture_output=True, text=True, check=False,
    )  # fmt: skip


@pytest.fixture(scope="module")
def kafka() -> Iterator[SecuredKafka]:
    """A node with the topics and the lists that the commands make."""
    with secured_kafka(users=EVERYBODY, with_lists=True) as node:
        lists = ["topics", "acls", "--apply", "--principal", f"{PRODUCER}=User:{PRODUCER}"]
        done = run_rapport(node.sasl("PLAIN", ADMIN), *lists)
        assert done.returncode == 0, done.stdout + done.stderr
        apply_topics(node.sasl("PLAIN", "operator"))
        yield node


class Cells:
    """Tries operations as one principal: each method returns if the broker allowed it.

    A consumer or producer of the library would wait for a topic that it cannot see; these are its requests.
    """

    def __init__(self, admin: AIOKafkaAdminClient) -> None:
        self._admin = admin

    async def write(self, topic: str) -> None:
        """Publish one record."""
        batch = DefaultRecordBatchBuilder(2, 0, 0, -1, -1, -1, 4096)
        batch.append(0, None, b"key", b"{}", [])
        answer = await self._send(ProduceRequest(None, -1, 10_000, [(topic, [(0, bytes(batch.build()))])]))
        ((_, ((_, code, *_),)),) = answer.topics
        raise_for_code(code, None)

    async def read(self, topic: str) -> None:
        """Fetch from the beginning."""
        answer = await self._send(FetchRequest(50, 0, 4096, 0, [(topic, [(0, 0, 4096)])]))
        ((_, ((_, code, *_),)),) = answer.topics
        raise_for_code(code, None)

    async def describe(self, topic: str) -> None:
        """Ask for the partitions."""
        (found,) = await self._admin.describe_topics([topic])
        raise_for_code(found["error_code"], None)

    async def create(self, topic: str) -> None:
        """Create it: whoever may is told that it is there."""
        done = await self._admin.create_topics([NewTopic(topic, PARTITIONS, 1)])
        ((_, code, _message),) = done.topic_errors
        raise_unless(code, (TopicAlreadyExistsError,))

    async def delete(self, topic: str) -> None:
        """Delete it."""
        done = await self._admin.delete_topics([topic])
        ((_, code),) = done.topic_error_codes
        raise_for_code(code, None)

    async def describe_configs(self, topic: str) -> None:
        """Read its settings."""
        (answer,) = await self._admin.describe_configs([ConfigResource(ConfigResourceType.TOPIC, topic)])
        ((code, message, *_),) = answer.resources
        raise_for_code(code, message)

    async def alter_configs(self, topic: str) -> None:
        """Set what is set."""
        (config,) = (wanted_config(one, 1) for one in ALL if one.name == topic)
        (answer,) = await self._admin.alter_configs([ConfigResource(ConfigResourceType.TOPIC, topic, config)])
        ((code, message, *_),) = answer.resources
        raise_for_code(code, message)

    async def describe_group(self, group: str) -> None:
        """Ask for its coordinator."""
        answer = await self._send(FindCoordinatorRequest(group, 0))
        raise_unless(answer.error_code, NO_COORDINATOR)

    async def read_group(self, group: str) -> None:
        """Be a member: whoever may is told that there is no such member."""
        answer = await self._send(HeartbeatRequest(group, 1, "nobody"))
        raise_unless(answer.error_code, (*NO_COORDINATOR, UnknownMemberIdError))

    async def _send(self, request: Any) -> Any:  # noqa: ANN401 - the library has no types
        # There is one node, which leads every partition and coordinates every group.
        return await self._admin._send_request(request)


OF_TOPICS: Mapping[Operation, Callable[[Cells, str], Awaitable[None]]] = {
    Operation.WRITE: Cells.write,
    Operation.READ: Cells.read,
    Operation.DESCRIBE: Cells.describe,
    Operation.CREATE: Cells.create,
    Operation.DESCRIBE_CONFIGS: Cells.describe_configs,
    Operation.ALTER_CONFIGS: Cells.alter_configs,
    Operation.DELETE: Cells.delete,
}
OF_GROUPS: Mapping[Operation, Callable[[Cells, str], Awaitable[None]]] = {
    Operation.READ: Cells.read_group,
    Operation.DESCRIBE: Cells.describe_group,
}


@asynccontextmanager
async def signed_in(environment: Mapping[str, str]) -> AsyncIterator[Cells]:
    """Yield what tries operations as the principal of these settings."""
    settings = {name.removeprefix("KAFKA_").lower(): value for name, value in environment.items()}
    options = client_options(KafkaSettings.model_validate(settings))
    admin = AIOKafkaAdminClient(**options)
    await admin.start()
    try:
        yield Cells(admin)
    finally:
        await admin.close()


async def is_allowed(attempt: Callable[[], Awaitable[None]]) -> bool:
    """Try until the new topic has a leader."""
    async with asyncio.timeout(60):
        while True:
            try:
                await attempt()
            except REFUSED:
                return False
            except NotLeaderForPartitionError:
                await asyncio.sleep(0.1)
            else:
                return True


async def allowed_cells(environment: Mapping[str, str], role: str) -> set[TopicRight]:
    """Return every cell that the broker allows, of all that there are."""
    async with signed_in(environment) as cells:
        tried = {
            TopicRight(role, ResourceKind.TOPIC, topic.name, operation): partial(attempt, cells, topic.name)
            for topic in ALL
            for operation, attempt in OF_TOPICS.items()
        } | {
            TopicRight(role, ResourceKind.GROUP, group, operation): partial(attempt, cells, group)
            for group in GROUPS.values()
            for operation, attempt in OF_GROUPS.items()
        }
        return {cell for cell, attempt in tried.items() if await is_allowed(attempt)}


@pytest.mark.parametrize("role", EVERYBODY)
async def test_a_role_may_do_what_the_table_says_and_nothing_else(kafka: SecuredKafka, role: str) -> None:
    allowed = await allowed_cells(kafka.sasl("PLAIN", role), role)

    assert allowed == {right for right in topic_rights() if right.role == role}


async def test_no_role_may_change_the_lists(kafka: SecuredKafka) -> None:
    for role in ROLES:
        done = run_rapport(kafka.sasl("PLAIN", role), "topics", "acls", "--check")

        assert done.returncode == 1
        assert "ClusterAuthorizationFailedError" in done.stderr


def test_what_is_missing_or_too_much_is_named_and_what_is_missing_is_added(kafka: SecuredKafka) -> None:
    admin = kafka.sasl("PLAIN", ADMIN)
    another = ("--principal", "ingest=User:CN=another-ingest")

    before = run_rapport(admin, "topics", "acls", "--check", *another)
    added = run_rapport(admin, "topics", "acls", "--apply", *another)
    after = run_rapport(admin, "topics", "acls", "--check", *another)
    # The detector's own name is given to the notifier: it may do less than the lists say.
    surplus = run_rapport(
        admin, "topics", "acls", "--check",
        "--principal", "notifier=User:detector", "--principal", "detector=User:notifier",
    )  # fmt: skip

    missing = "missing: allow User:CN=another-ingest Write on literal topic alliance.session-rated.v1"
    assert (before.returncode, after.returncode, surplus.returncode) == (1, 0, 1)
    assert missing in before.stderr
    assert added.stdout.count("added: ") == 4
    assert (
        "more than needed: allow User:detector Write on literal topic alliance.assessed.v1" in surplus.stderr
    )
    assert (
        "kafka-acls --remove --force --allow-principal 'User:detector' --operation Write"
        " --resource-pattern-type literal --topic 'alliance.assessed.v1'"
    ) in surplus.stderr


def test_topics_that_may_not_be_created_are_not_said_to_be(kafka: SecuredKafka) -> None:
    done = run_rapport(kafka.sasl("PLAIN", "ingest"), "topics", "apply")

    assert (done.returncode, done.stdout) == (1, "")
    assert "TopicAuthorizationFailedError" in done.stderr


def test_ratings_flow_while_each_service_has_only_its_own_rights(
    kafka: SecuredKafka, database_url: str, tmp_path: Path
) -> None:
    # A topic with what the other tests wrote would reject their records: this is about rights alone.
    backend = Backend("secured", kafka.sasl_address, kafka.sasl("PLAIN", "operator"), PARTITIONS)
    with running_stack(backend, database_url, tmp_path, start=()) as stack:
        for name in ("notifier", "detector", "ingest"):
            stack.supervisor.processes[name].start(kafka.sasl("PLAIN", name))
        for name in ("notifier", "detector", "ingest"):
            stack.wait_ready(name)
        falling = [9.0, 9.2, 9.1, 9.0, 8.9, 2.0, 1.5]
        ratings = [
            {
                "client_id": "c-1", "therapist_id": "t-1", "session_id": f"s-{number}",
                "session_at": f"2026-01-{number + 1:02}T10:00:00+01:00", "instrument": "srs",
                "items": [mark] * 4,
            }
            for number, mark in enumerate(falling)
        ]  # fmt: skip
        stack.send("north", ratings)
        wait_until(lambda: stack.balance().deliveries["assessed"] == len(falling), "all are assessed")
        doctor = run_rapport(
            {**kafka.sasl("PLAIN", "operator"), "DATABASE_URL": database_url},
            "topics", "check",
        )  # fmt: skip

    assert doctor.returncode == 0, doctor.stderr
    logs = [line for name in ("ingest", "detector", "notifier") for line in stack.log_of(name)]
    assert [line for line in logs if "Authorization" in str(line)] == []
