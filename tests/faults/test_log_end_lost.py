"""A log that lost its end halts its readers; a repair names what it lost, and the final state is the same."""

import os
import subprocess
import sys
from pathlib import Path

import psycopg
import pytest
from confluent_kafka.admin import AdminClient

from schemas.topics import EPISODE_CHANGED, SESSION_RATED, THERAPIST_RESPONDED
from services.cli.demo.input_ratings import InputRating
from tests.faults.conftest import add_therapists, send
from tests.support.backend import Backend, apply_topics
from tests.support.final_state import FinalState, final_state, mails_sent
from tests.support.service_stack import ServiceStack, running_stack, wait_until

pytestmark = [pytest.mark.durable, pytest.mark.timeout(300)]


def make_topics_again(backend: Backend, stack: ServiceStack) -> None:
    """Delete topics and create them again while detector and notifier are stopped."""
    for service in ("detector", "notifier"):
        stack.stop(service)
    admin = AdminClient({"bootstrap.servers": backend.bootstrap, "log_level": 0})
    names = [topic.name for topic in (SESSION_RATED, EPISODE_CHANGED, THERAPIST_RESPONDED)]
    for deleted in admin.delete_topics(names, operation_timeout=10).values():
        deleted.result(timeout=15)
    wait_until(lambda: not set(names) & set(admin.list_topics(timeout=5).topics), "the deletion")
    apply_topics(backend.kafka_env)
    stack.restart("ingest")
    for service in ("detector", "notifier"):
        stack.supervisor.processes[service].start()


def halted(database_url: str) -> list[tuple[str, str]]:
    """Return service and reason of every halted partition."""
    with psycopg.connect(database_url) as conn:
        return [
            (service, reason)
            for service in ("detector", "notifier")
            for (reason,) in conn.execute(f"SELECT reason FROM {service}.halt".encode()).fetchall()
        ]


def rating_ids(database_url: str) -> set[str]:
    """Return the ids of the stored ratings."""
    with psycopg.connect(database_url) as conn:
        return {rating for (rating,) in conn.execute("SELECT rating_id FROM detector.rating").fetchall()}


def repair(backend: Backend, database_url: str) -> str:
    """Run the command that operators run; return what it prints."""
    done = subprocess.run(
        [sys.executable, "-m", "services.cli", "halts", "repair", "--yes"],
        env={**os.environ, **backend.kafka_env, "DATABASE_URL": database_url},
        capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def test_topics_made_again_halt_and_the_repair_ends_with_nothing_lost(
    backend: Backend,
    database_url: str,
    tmp_path: Path,
    sent: list[InputRating],
    undisturbed: FinalState,
) -> None:
    third = -(-len(sent) // 3)
    with running_stack(backend, database_url, tmp_path) as stack:
        add_therapists(stack, sent)
        send(stack, sent[:third])
        stack.settled()
        before = rating_ids(database_url)
        send(stack, sent[third : 2 * third])
        stack.settled()
        in_lost_part = rating_ids(database_url) - before
        mails = mails_sent(database_url)

        make_topics_again(backend, stack)
        send(stack, sent[2 * third :])
        wait_until(lambda: {service for service, _ in halted(database_url)} >= {"detector"}, "the halt", 60)
        assert mails_sent(database_url) >= mails
        printed = ""

        def complete() -> bool:
            nonlocal printed
            if halted(database_url):
                printed += repair(backend, database_url)
            return not halted(database_url) and stack.balance().delivered >= stack.report.accepted

        wait_until(complete, "everything that was accepted has an outcome", 120)
        assert undisturbed == final_state(stack, database_url)
        assert [rating for rating in sorted(in_lost_part) if f"rating {rating} of north" not in printed] == []
        with psycopg.connect(database_url) as conn:
            places = 'SELECT cluster_id, partition, "offset" FROM detector.rating'
            twice = f"{places} GROUP BY 1, 2, 3 HAVING count(*) > 1"
            assert conn.execute(twice.encode()).fetchall() == []
        assert mails_sent(database_url) == len({mail["message_id"] for mail in stack.mails.list()})
