"""`rapport sandboxes` adds sandboxes with keys of their own, and no practice is added under their ids."""

import os
import re
import subprocess
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path

import psycopg
import pytest
from typer.testing import CliRunner, Result

from services.cli.__main__ import application
from services.runtime.http.key_file import read_keys
from tests.flow.cli.conftest import command

Run = Callable[..., Result]
SECRET = "0123456789abcdef" * 4


@pytest.fixture
def keys(tmp_path: Path) -> Path:
    """The file of keys, which does not exist yet."""
    return tmp_path / "keys.json"


@pytest.fixture
def run(migrated_url: str, tmp_path: Path, keys: Path) -> Run:
    """Run a command of `rapport` on a fresh database."""
    (tmp_path / "erasure").write_text(SECRET)
    environment = {
        "DATABASE_URL": migrated_url,
        "RAPPORT_CREDENTIALS_FILE": str(keys),
        "RAPPORT_ERASURE_SECRET_FILE": str(tmp_path / "erasure"),
    }

    def invoke(*words: str, code: int = 0) -> Result:
        done = CliRunner().invoke(application(), words, env=environment)
        assert done.exit_code == code, done.output
        return done

    return invoke


def test_a_sandbox_is_added_with_a_key_of_its_own_and_tells_of_sessions_of_any_date(
    run: Run, keys: Path, migrated_url: str
) -> None:
    shown = run("sandboxes", "add", "north", "--set", "max_age_days=30").stdout
    assert re.search(r"^ +rpt_sandbox_", shown, re.MULTILINE)
    assert [key.grants for key in read_keys(keys)] == [("north.sandbox",)]
    with psycopg.connect(migrated_url) as conn:
        added = conn.execute("SELECT practice_id, tell_from, max_age_days FROM detector.practice").fetchall()
        timing = conn.execute("SELECT practice_id, mail_timing FROM notifier.practice").fetchall()
    assert added == [("north.sandbox", None, 30)]
    assert timing == [("north.sandbox", "immediate")]
    assert run("sandboxes", "list").stdout.startswith("north.sandbox: added ")


def test_a_sandbox_that_is_added_again_keeps_its_options(run: Run, keys: Path, migrated_url: str) -> None:
    run("sandboxes", "add", "north", "--set", "max_age_days=30", "--set", "mail_timing=daily")
    run("sandboxes", "add", "north", "--network", "net", "--set", "tell_from=2026-01-01T00:00:00Z")
    with psycopg.connect(migrated_url) as conn:
        kept = conn.execute(
            "SELECT tell_from, max_age_days, mail_timing FROM detector.practice JOIN notifier.practice"
            " USING (practice_id)"
        ).fetchall()
    assert kept == [(datetime(2026, 1, 1, tzinfo=UTC), 30, "daily")]
    assert [key.network for key in read_keys(keys)] == [False, True]


@pytest.mark.parametrize("practice", ["", ".sandbox", "nörth", "-north", "north/", "n" * 121])
def test_no_sandbox_is_added_of_what_cannot_be_a_practice(run: Run, keys: Path, practice: str) -> None:
    assert "Nothing was stored" in run("sandboxes", "add", "--", practice, code=2).stderr
    assert not keys.exists()


def test_a_network_has_one_key_for_sandboxes_and_one_for_practices(run: Run, keys: Path) -> None:
    for words in (
        ("practices", "add", "north"),
        ("sandboxes", "add", "north"),
        ("sandboxes", "add", "south"),
    ):
        run(*words, "--network", "net")
    assert [(key.grants, key.network) for key in read_keys(keys)] == [
        (("north",), True),
        (("north.sandbox", "south.sandbox"), True),
    ]


def test_no_practice_is_added_under_the_id_of_a_sandbox(run: Run, keys: Path, tmp_path: Path) -> None:
    table = tmp_path / "practices.csv"
    table.write_text("practice_id\nsouth\nnorth.sandbox\n")
    for words in (("practices", "add", "north.sandbox"), ("practices", "import", str(table))):
        refused = run(*words, code=2)
        assert "rapport sandboxes add north`. Nothing was stored." in refused.stderr
    assert not keys.exists()
    assert run("sandboxes", "list").stdout.startswith("There is no sandbox")


def test_a_sandbox_is_looked_at_like_a_practice(run: Run) -> None:
    run("sandboxes", "add", "north")
    assert run("sandboxes", "erase").stdout.startswith("north.sandbox: ")
    assert "UTC" in run("practices", "status", "north.sandbox").stdout
    trail = run("audit", "--practice", "north.sandbox").stdout
    assert ("key-added" in trail, "practice-stored" in trail, "erased" in trail) == (True, True, True)
    assert "by every night" in run("erasures", "--practice", "north.sandbox").stdout
    run("practices", "remove", "north.sandbox")
    run("erase", "--practice", "north.sandbox", "--all", "--yes")
    assert run("sandboxes", "list").stdout.startswith("There is no sandbox")


def test_answers_in_a_sandbox_are_no_labels(run: Run, tmp_path: Path) -> None:
    refused = run(
        "labels", "export", "--practice", "north.sandbox", "--out", str(tmp_path / "labels.csv"), code=2
    )
    assert "made up" in refused.stderr


def test_a_time_of_the_night_is_hours_and_minutes(run: Run) -> None:
    assert "expected hours and minutes" in run("sandboxes", "erase", "--at", "one", code=2).stderr


def test_a_time_of_the_night_is_not_taken_for_now(run: Run) -> None:
    run("sandboxes", "add", "north")
    assert "give --every-night" in run("sandboxes", "erase", "--at", "00:00", code=2).stderr
    assert run("erasures", "--practice", "north.sandbox").stdout.count("every night") == 0


def test_the_process_that_waits_for_the_night_makes_up_for_a_missed_one_and_stops_at_a_signal(
    run: Run, migrated_url: str, tmp_path: Path
) -> None:
    run("sandboxes", "add", "north")
    with psycopg.connect(migrated_url, autocommit=True) as conn:
        conn.execute("UPDATE detector.practice SET added_at = now() - interval '2 days'")
    environment = {"DATABASE_URL": migrated_url, "RAPPORT_ERASURE_SECRET_FILE": str(tmp_path / "erasure")}
    with subprocess.Popen(
        command("sandboxes", "erase", "--every-night"),
        env=os.environ | environment,
        stdout=subprocess.PIPE,
        text=True,
    ) as process:
        assert process.stdout is not None
        said = process.stdout.readline()
        process.terminate()
        assert process.wait(30) == 0
    assert re.fullmatch(r"north\.sandbox: \d+ rows erased, as every night\.\n", said)
