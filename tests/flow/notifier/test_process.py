"""The notifier as it runs: a process that reads the topic, tells, takes an answer and publishes it."""

import re
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from pathlib import Path

import httpx
import psycopg
import pytest
from aiokafka import AIOKafkaConsumer, AIOKafkaProducer, TopicPartition

from schemas.envelope import TherapistRespondedEvent, decode
from schemas.events import Answer, Change, HeartbeatSent
from schemas.topics import ASSESSED, EPISODE_CHANGED, THERAPIST_RESPONDED
from services.cli.local.child_process import ChildProcess
from services.notifier.channels.channel import MailTiming
from services.notifier.directory_changes import put_therapist
from services.notifier.domain.therapist import Therapist
from tests.flow.notifier.test_caseload import assessed
from tests.support.backend import Backend
from tests.support.detector.episodes import NOW, changed, episode_named, key_of, record_of
from tests.support.notifier.mail_server import MailServer
from tests.support.ports import free_port
from tests.support.service_stack import wait_until

pytestmark = pytest.mark.backends("embedded", "kafka")

PARTITION = 3
PARTITIONS = 4
BACKLOG = 1_000
CHANGES = 100
THERAPIST = Therapist("north", "t-1", "t1@north.example", mail_timing=MailTiming.IMMEDIATE)


@pytest.fixture
def process(
    backend: Backend, database_url: str, tmp_path: Path, mail_server: MailServer
) -> Iterator[ChildProcess]:
    """The notifier, ready."""
    (tmp_path / "signing").write_text("0123456789abcdef" * 4)
    (tmp_path / "credentials.json").write_text('{"keys": []}')
    port = free_port()
    url = f"http://127.0.0.1:{port}"
    environment = {
        **backend.kafka_env,
        "DATABASE_URL": database_url,
        "HTTP_PORT": str(port),
        "RAPPORT_CREDENTIALS_FILE": str(tmp_path / "credentials.json"),
        "NOTIFIER_PUBLIC_URL": url,
        "NOTIFIER_SIGNING_SECRET_FILE": str(tmp_path / "signing"),
        "NOTIFIER_SMTP_PORT": str(mail_server.port),
        "NOTIFIER_SMTP_TLS": "none",
    }
    notifier = ChildProcess("notifier", ["-m", "services.notifier"], environment, tmp_path / "log", url)
    notifier.start()
    try:
        notifier.wait_ready(120)
        yield notifier
    finally:
        notifier.stop()


@asynccontextmanager
async def producer(backend: Backend) -> AsyncIterator[AIOKafkaProducer]:
    """What stands for the detector."""
    sender = AIOKafkaProducer(bootstrap_servers=backend.bootstrap)
    await sender.start()
    try:
        yield sender
    finally:
        await sender.stop()


async def published(backend: Backend, count: int) -> list[tuple[bytes, TherapistRespondedEvent]]:
    """Return the answers in the topic, once there are as many as asked for."""
    reader = AIOKafkaConsumer(bootstrap_servers=backend.bootstrap, auto_offset_reset="earliest")
    await reader.start()
    try:
        reader.assign([TopicPartition(THERAPIST_RESPONDED.name, PARTITION)])
        found: list[tuple[bytes, TherapistRespondedEvent]] = []
        while len(found) < count:
            record = await reader.getone()
            event = decode(record.value)
            assert isinstance(event, TherapistRespondedEvent)
            found.append((record.key, event))
        return found
    finally:
        await reader.stop()


def answered_and_undone(url: str, link: str) -> str:
    """Follow a mailed link, answer, and take the answer back; the path of the item."""
    with httpx.Client(follow_redirects=True, trust_env=False) as browser:
        token = browser.get(link).text.split('name="token" value="')[1].split('"')[0]
        page = browser.post(f"{url}/sign-in", data={"token": token})
        csrf = page.text.split('name="csrf" value="')[1].split('"')[0]
        for answer in ("discussed", "undone"):
            browser.post(f"{page.url}/answers", data={"answer": answer, "csrf": csrf})
        return page.url.path


async def test_a_change_in_the_topic_becomes_a_mail_and_its_answer_a_record(
    process: ChildProcess, backend: Backend, database_url: str, mail_server: MailServer
) -> None:
    async with await psycopg.AsyncConnection.connect(database_url) as conn:
        await put_therapist(conn, THERAPIST, NOW, actor="a test")
    async with producer(backend) as detector:
        for event in (
            HeartbeatSent(partition=PARTITION, minute=NOW, sent_at=NOW, risk=0.5, expected_risk=0.5),
            changed(),
            changed(Change.DEEPENED, 2),
        ):
            record = record_of(event)
            await detector.send_and_wait(
                EPISODE_CHANGED.name, record.value, key=record.key, partition=PARTITION
            )
    wait_until(lambda: len(mail_server.mails) == 2, "both mails are sent")
    body = mail_server.mails[0].get_body(("plain",))
    assert body is not None
    link = re.search(r"http://\S+", body.get_content())
    assert link is not None
    assert answered_and_undone(process.url, link.group()) == f"/items/{episode_named('one')}"
    first, second = await published(backend, 2)
    assert first[0] == key_of(changed())
    assert [(one.data.answer_revision, one.data.answer) for _, one in (first, second)] == [
        (1, Answer.DISCUSSED),
        (2, Answer.UNDONE),
    ]


async def test_a_notifier_that_was_killed_goes_on_and_tells_nobody_twice(
    process: ChildProcess, backend: Backend, database_url: str, mail_server: MailServer
) -> None:
    async with await psycopg.AsyncConnection.connect(database_url) as conn:
        await put_therapist(conn, THERAPIST, NOW, actor="a test")
    async with producer(backend) as detector:
        for number in range(40):
            record = record_of(changed(episode=f"e-{number}", client=f"c-{number}"))
            await detector.send_and_wait(
                EPISODE_CHANGED.name, record.value, key=record.key, partition=PARTITION
            )
            if number == 20:
                process.kill()
    process.start()
    process.wait_ready(60)
    wait_until(lambda: len({one["Message-ID"] for one in mail_server.mails}) == 40, "every mail is sent", 60)
    with psycopg.connect(database_url) as conn:
        wait_until(lambda: _count(conn, "delivery WHERE state = 'sent'") == 40, "every delivery is done", 60)
        assert _count(conn, "item") == 40
        assert _count(conn, "decision") == 120
        assert _count(conn, "delivery") == 40


def _count(conn: psycopg.Connection, what: str) -> int:
    row = conn.execute(f"SELECT count(*) FROM notifier.{what}").fetchone()
    assert row is not None
    conn.rollback()
    return int(row[0])


@pytest.mark.timeout(600)  # it starts the process twice
async def test_changes_of_episodes_do_not_wait_for_assessed_sessions_that_came_before_them(
    process: ChildProcess, backend: Backend, database_url: str
) -> None:
    process.stop()
    async with producer(backend) as detector:
        for number in range(BACKLOG):
            one = assessed(f"r-{number}", f"c-{number}")
            await detector.send(ASSESSED.name, one.value, key=one.key, partition=number % PARTITIONS)
        await detector.flush()
        for number in range(CHANGES):
            one = record_of(changed(episode=f"e-{number}", client=f"c-{number}"))
            await detector.send(EPISODE_CHANGED.name, one.value, key=one.key, partition=number % PARTITIONS)
    process.start()
    with psycopg.connect(database_url) as conn:
        wait_until(lambda: _count(conn, "decision") >= CHANGES, "every change is decided", 240)
        assert _count(conn, "assessed_session") < BACKLOG / 2
        wait_until(lambda: _count(conn, "assessed_session") == BACKLOG, "every session is stored", 240)


def test_a_notifier_that_is_asked_to_stop_ends_cleanly(process: ChildProcess) -> None:
    assert process.stop() == 0


def test_no_line_of_its_log_is_the_queues_own(process: ChildProcess) -> None:
    process.stop()
    assert "procrastinate" not in process.log.read_text()
