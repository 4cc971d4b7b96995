"""`docs/walkthrough.md` names exactly the files that one rating goes through, in the names they have."""

import ast
import re
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import NamedTuple

import httpx
import pytest

from services.cli.demo.therapist_message import address_of, link_in, sign_in
from tests.support.backend import embedded_backend
from tests.support.function_trace import ROOT, Functions, Recorder, functions_in, traced_environment
from tests.support.postgres import fresh_database
from tests.support.service_stack import ServiceStack, running_stack, wait_until

PAGE = ROOT / "docs" / "walkthrough.md"
SHARED = "## What every record and every heartbeat uses too"
MOST_FILES = 82
GOOD, LOW = (9.0, 9.0, 9.0, 9.0), (2.0, 1.5, 2.0, 1.5)
SESSIONS = 8
CLIENTS = (1, 2)
"""Their numbers, each with a therapist of its own."""
PASSED = {
    ("services/notifier/pipeline.py", "Pipeline.__call__"),
    # The day's sweep needs partitions: the first one may come too early.
    ("services/detector/jobs/daily_sweep.py", "_mark"),
    # Only with a batch after one that was published: with the second heartbeat.
    ("services/runtime/outbox/positions.py", "PositionStore.note_published"),
}


class Trace(NamedTuple):
    """Files with functions that were entered."""

    only_by_a_rating: set[str]
    """In functions that neither the start of the services, nor heartbeats, nor an idle system enter."""
    by_a_rating: set[str]
    since_the_start: set[str]


def linked(text: str) -> list[str]:
    """Return the Python files that a part of the page links to."""
    return re.findall(r"\]\(\.\./((?:services|schemas)/[\w/]+\.py)\)", text)


def page_parts() -> tuple[set[str], set[str]]:
    """Return the files of the way, and those listed as shared."""
    way, heading, shared = PAGE.read_text(encoding="utf-8").partition(SHARED)
    assert heading
    return set(linked(way)), set(linked(shared))


def test_every_function_that_is_named_is_in_its_file() -> None:
    missing = []
    for entry in re.split(r"^- |^$", PAGE.read_text(encoding="utf-8"), flags=re.MULTILINE):
        for path in linked(entry):
            named = re.findall(r"`(\w+)\(\)`", entry)
            tree = ast.parse((ROOT / path).read_text(encoding="utf-8"))
            kinds = (ast.FunctionDef, ast.AsyncFunctionDef, ast.ClassDef)
            defined = {node.name for node in ast.walk(tree) if isinstance(node, kinds)}
            missing += [f"{path}: {name}" for name in named if name not in defined]
    assert missing == []


def test_the_way_is_short() -> None:
    assert len(page_parts()[0]) <= MOST_FILES


@pytest.fixture(scope="module")
def traced(postgres_url: str, tmp_path_factory: pytest.TempPathFactory) -> Trace:
    """What a rating enters, on its way to the page of its therapist."""
    folder = tmp_path_factory.mktemp("walkthrough")
    environment = traced_environment(folder / "trace")
    with (
        embedded_backend() as backend,
        fresh_database(postgres_url) as database,
        running_stack(backend, database, folder / "home", environment=environment) as stack,
    ):
        return _trace(stack, folder / "trace")


def _trace(stack: ServiceStack, folder: Path) -> Trace:
    pids = {name: process.pid or 0 for name, process in stack.supervisor.processes.items()}
    recorder = Recorder(folder, pids)
    without_ratings = _idle(recorder)
    for number in CLIENTS:
        therapist = f"t-{number}"
        stack.client.put_therapist("north", therapist, {"address": address_of("north", therapist)})
        stack.send("north", [_rating(number, session, GOOD) for session in range(SESSIONS)])
    stack.settled()
    before = _window(recorder)
    # What passes every half minute or more falls into one of them at most.
    by_each = [_rated(stack, recorder, number) for number in CLIENTS]
    by_rating = frozenset.intersection(*by_each)
    return Trace(
        only_by_a_rating=_python_files(by_rating - without_ratings),
        by_a_rating=_python_files(by_rating),
        since_the_start=_python_files(without_ratings.union(before, *by_each)),
    )


def _rated(stack: ServiceStack, recorder: Recorder, number: int) -> Functions:
    """Return what one client's rating enters until its therapist has seen the page."""
    sent = httpx.post(
        f"{stack.where.ingest_url}/v1/ratings",
        json=_rating(number, SESSIONS, LOW),
        headers={"Authorization": f"Bearer {stack.where.key}", "Rapport-Practice": "north"},
    )
    assert sent.status_code == 202
    wait_until(lambda: stack.mails.count() >= number, "the message about the last rating")
    link = link_in(stack.mails.read(number)["text"])
    httpx.get(link).raise_for_status()
    sign_in(link)
    return _window(recorder)


def _python_files(functions: Functions) -> set[str]:
    return {file for file, _ in functions if file.endswith(".py")}


def _rating(number: int, session: int, marks: tuple[float, ...]) -> dict[str, object]:
    at = datetime.now(UTC) - timedelta(hours=1) - timedelta(weeks=SESSIONS - session)
    return {
        "client_id": f"c-{number}",
        "therapist_id": f"t-{number}",
        "session_id": f"c-{number}-s-{session}",
        "session_at": at.isoformat(),
        "instrument": "srs",
        "items": marks,
    }


def _window(recorder: Recorder) -> Functions:
    files = recorder.ask()
    wait_until(lambda: all(file.exists() for file in files), "the traces are written")
    return functions_in(files)


def _idle(recorder: Recorder) -> Functions:
    """Return what an idle system enters, until heartbeats have passed and nothing new comes."""
    idle: Functions = frozenset()
    unchanged = 0

    def complete() -> bool:
        nonlocal idle, unchanged
        more = _window(recorder)
        unchanged = unchanged + 1 if more <= idle else 0
        idle |= more
        return idle >= PASSED and unchanged >= 20

    wait_until(complete, "heartbeats and the sweep pass every minute, and then nothing new happens", 200)
    return idle


@pytest.mark.timeout(300)
def test_the_page_names_the_files_that_a_rating_goes_through(traced: Trace) -> None:
    way, shared = page_parts()
    assert traced.only_by_a_rating - way == set(), "files on the way that the page does not name"
    assert traced.by_a_rating - way - shared == set(), "shared files that the page does not list"
    assert (way | shared) - traced.since_the_start == set(), "files on the page that nothing enters"
