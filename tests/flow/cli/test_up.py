"""`rapport up` runs everything until Ctrl-C, and the other commands find what it runs."""

import json
import os
import re
import signal
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from services.cli.home import Home
from tests.flow.cli.conftest import Rapport, command, home_folder
from tests.support.schemas.exports import exports
from tests.support.service_stack import wait_until
from tests.support.terminal import Terminal

Run = Callable[..., subprocess.CompletedProcess[str]]


@pytest.fixture(scope="module")
def home() -> Iterator[Path]:
    """The home folder of a running stack."""
    with home_folder() as folder:
        yield from _running(folder)


def _running(folder: Path) -> Iterator[Path]:
    environment = {**os.environ, "RAPPORT_HOME": str(folder)}
    output = folder / "output"
    with (
        output.open("w") as out,
        subprocess.Popen(command("up"), env=environment, stdout=out, stderr=out) as up,
    ):
        try:
            wait_until(lambda: up.poll() is not None or "Ctrl-C" in output.read_text(), "rapport is up", 100)
            assert up.poll() is None, output.read_text()
            yield folder
        finally:
            up.send_signal(signal.SIGINT)
            assert up.wait(60) == 0, output.read_text()
    assert output.read_text().endswith("\nStopping …\nStopped.\n")
    assert Home(folder).running() is None


@pytest.fixture
def run(home: Path, rapport: Rapport) -> Run:
    """Run a command beside the running stack, with the key of its first practice."""
    key = re.search(r"rpt_\S+", (home / "output").read_text())
    assert key is not None
    environment = {"RAPPORT_HOME": str(home), "RAPPORT_KEY": key.group(), "COLUMNS": "200"}
    return lambda *words: rapport(*words, environment=environment)


def _send_one(run: Run, tmp_path: Path) -> None:
    file = tmp_path / "one.csv"
    file.write_text(
        "client_id,therapist_id,session_id,session_at,instrument,item_1,item_2,item_3,item_4\n"
        "c-1,t-1,s-1,2026-01-05T10:00:00+01:00,srs,9,8,9,9\n"
    )
    done = run("send", str(file))
    assert done.returncode == 0, done.stderr


def test_the_first_practice_can_send_and_ask_why(run: Run, tmp_path: Path) -> None:
    _send_one(run, tmp_path)
    words = ("why", "--practice", "my-practice", "--session", "s-1")

    wait_until(lambda: "assessed" in run(*words).stdout, "the rating is assessed")

    steps = re.findall(r"rating \S+ (accepted|assessed).*", run(*words).stdout)
    assert steps == ["accepted", "assessed"]


@pytest.mark.timeout(240)
def test_connect_walks_through_key_columns_dry_run_and_sending(home: Path, run: Run, tmp_path: Path) -> None:
    file = exports(tmp_path).own
    text = file.read_text(encoding="cp1252").replace("Patient;", "Alpha;")
    file.write_text(text, encoding="cp1252")
    environment = {**os.environ, "RAPPORT_HOME": str(home), "COLUMNS": "200", "TERM": "dumb"}
    environment.pop("RAPPORT_KEY", None)
    terminal = Terminal(command("connect", "south"), environment, tmp_path)
    try:
        terminal.answer("Add south and create its key?", "y")
        terminal.answer("A file with ratings", "none.csv")
        terminal.answer("none.csv is no file", "own.csv")
        terminal.answer("Type options, such as", "none")
        terminal.answer("Type options, such as", "--map client_id=Alpha")
        terminal.answer("Press Enter if the columns are right", "")
        terminal.answer("Send these ratings as history", "y")
        terminal.wait(lambda: terminal.process.poll() is not None, "the end")
    finally:
        terminal.end()
    shown = terminal.shown
    assert terminal.process.returncode == 0, shown
    assert "No column was found for client_id." in shown
    assert "27 checked, none sent = 27 valid + 0 refused" in shown
    assert "27 sent = 27 accepted + 0 refused" in shown
    assert "south observes: its ratings are assessed, and no therapist is told anything." in shown
    assert (tmp_path / "own.html").exists()
    key = re.search(r"RAPPORT_KEY=(rpt_\S+)", shown)
    assert key is not None
    again = run("send", str(file), "--mapping", str(tmp_path / "south.toml"), "--key", key[1])
    assert "27 sent = 27 accepted + 0 refused" in again.stdout, again.stderr


def test_connect_without_a_terminal_says_what_to_run(run: Run) -> None:
    done = run("connect", "south")

    assert done.returncode == 2
    assert done.stderr.startswith("This command asks questions, so it needs a terminal.")
    assert "\n  rapport practices add south --set mode=observe\n" in done.stderr


def test_why_says_that_an_unknown_session_is_unknown(run: Run) -> None:
    done = run("why", "--practice", "my-practice", "--session", "no-such")

    assert done.returncode == 1
    assert done.stdout.startswith("Nothing is known about session no-such of my-practice.")


def test_the_status_of_a_practice_counts_its_ratings(run: Run, tmp_path: Path) -> None:
    _send_one(run, tmp_path)

    def deliveries() -> dict[str, Any]:
        counts: dict[str, Any] = json.loads(run("practices", "status", "my-practice").stdout)["results"][
            "deliveries"
        ]
        return counts

    wait_until(lambda: deliveries()["assessed"] == 1, "the rating is counted as assessed")
    assert deliveries()["rejected"] == {}


def test_doctor_finds_nothing_bad_and_notices_that_the_broker_is_embedded(run: Run) -> None:
    done = run("doctor")

    assert done.returncode == 0, done.stdout + done.stderr
    found = re.findall(r"^(good|notice|bad) +(.*?): ", done.stdout, re.MULTILINE)
    assert [verdict for verdict, _ in found if verdict == "bad"] == []
    assert ("notice", "Kafka replication") in found
    names = {name for verdict, name in found if verdict == "good"}
    assert {"Kafka", "topics", "PostgreSQL", "ingest", "detector", "notifier", "keys"} <= names


def test_the_topics_of_the_embedded_broker_match_and_need_no_applying(run: Run) -> None:
    checked, applied = run("topics", "check"), run("topics", "apply")

    assert (checked.returncode, applied.returncode) == (0, 0)
    assert re.fullmatch(r"All topics of cluster \S+ match the contracts.\n", checked.stdout)
    assert applied.stdout.endswith("with 4 partitions: nothing to do.\n")


def test_a_practice_is_added_listed_and_its_key_rotated(run: Run) -> None:
    def keys() -> list[str]:
        listed = run("practices", "list").stdout
        assert "rpt_" not in listed
        return [line.split()[0] for line in listed.splitlines() if "practice north" in line]

    added = run("practices", "add", "north", "--set", "tell_from=always")
    (old_id,) = keys()
    rotated = run("practices", "rotate", old_id, "--overlap", "2")

    assert added.returncode == 0, added.stderr
    assert len(re.findall(r"rpt_\S+", added.stdout)) == 1
    assert rotated.stdout.endswith("The old key expires in 2 hours.\n")
    assert set(re.findall(r"rpt_\S+", rotated.stdout)).isdisjoint(re.findall(r"rpt_\S+", added.stdout))
    assert len(set(keys())) == 2
    assert old_id in keys()


def test_an_unknown_option_of_a_practice_is_refused_with_the_known_ones(run: Run) -> None:
    done = run("practices", "add", "south", "--set", "colour=blue")

    assert done.returncode == 2
    assert done.stderr.startswith("there is no option 'colour'; the options are ")
    assert {"max_age_days", "sensitivity", "tell_from"} <= set(re.findall(r"\w+", done.stderr))


def test_many_practices_are_imported_with_a_key_each(run: Run, tmp_path: Path) -> None:
    file = tmp_path / "practices.csv"
    file.write_text("practice_id,tell_from\neast,always\nwest,\n")

    lines = [line.split(",") for line in run("practices", "import", str(file)).stdout.split()]

    assert [practice for practice, _ in lines] == ["practice_id", "east", "west"]
    assert [key.startswith("rpt_") for _, key in lines] == [False, True, True]
    assert lines[1][1] != lines[2][1]


def test_a_second_up_names_the_running_one(run: Run, home: Path) -> None:
    running = Home(home).running()
    assert running is not None

    done = run("up")

    assert done.returncode == 1
    message = f"(process {running.supervisor_pid}), ingest at {running.ingest_url}."
    assert done.stderr == f"Rapport is already running {message}\n"


def test_migrating_again_changes_nothing(run: Run) -> None:
    assert run("migrate").stdout.splitlines() == ["detector: up to date", "notifier: up to date"]
