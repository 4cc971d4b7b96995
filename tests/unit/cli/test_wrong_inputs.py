"""A command that cannot do its work says what is wrong and what helps, as a new user meets it."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

NOWHERE = "127.0.0.1:1"
HEAD = "client_id,therapist_id,session_id,session_at,instrument,item_1\n"


def run(folder: Path, *words: str, **variables: str) -> tuple[int, str]:
    """Run `rapport` as its users do; return its exit code and all that it wrote."""
    kept = {name: os.environ[name] for name in ("PATH", "HOME", "LANG") if name in os.environ}
    done = subprocess.run(
        [sys.executable, "-m", "services.cli", *words],
        env=kept | {"RAPPORT_HOME": str(folder / "home"), "PYTHONPATH": str(Path.cwd())} | variables,
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
        cwd=folder,
    )
    return done.returncode, done.stdout + done.stderr


def test_up_names_the_variable_by_which_it_uses_a_broker_that_does_not_answer(tmp_path: Path) -> None:
    code, said = run(tmp_path, "up", KAFKA_BOOTSTRAP_SERVERS=NOWHERE)
    assert code == 1
    assert f"The broker at {NOWHERE} could not be reached" in said
    assert "because KAFKA_BOOTSTRAP_SERVERS is set: without it, it starts one here" in said
    assert "Traceback" not in said


def test_the_topics_command_says_where_the_address_comes_from(tmp_path: Path) -> None:
    code, said = run(tmp_path, "topics", "apply", KAFKA_BOOTSTRAP_SERVERS=NOWHERE)
    assert (code, "Check KAFKA_BOOTSTRAP_SERVERS" in said, "Traceback" in said) == (1, True, False)


def test_doctor_goes_on_where_nothing_answers_and_no_address_is_known(tmp_path: Path) -> None:
    url = f"postgresql://nobody@{NOWHERE}/none"
    code, said = run(tmp_path, "doctor", KAFKA_BOOTSTRAP_SERVERS=NOWHERE, DATABASE_URL=url)
    assert code == 1
    for name in ("Kafka", "PostgreSQL", "ingest", "detector", "notifier"):
        assert f"{name}: " in said
    assert "set RAPPORT_NOTIFIER_URL, or start everything on this machine" in said


@pytest.mark.parametrize("command", [["score"], ["try"], ["evaluate", "--ratings"]])
def test_a_table_without_a_rating_is_refused_and_nothing_is_written(
    command: list[str], tmp_path: Path
) -> None:
    table = tmp_path / "head.csv"
    table.write_text(HEAD)
    code, said = run(tmp_path, *command, str(table), "--out", str(tmp_path / "out"))
    assert (code, (tmp_path / "out").exists()) == (1, False)
    assert "no rating" in said or "no valid rating" in said or "no rows" in said
