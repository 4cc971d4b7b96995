"""A command that cannot do its work says what is wrong and what helps, as a new user meets it."""

import json
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
        env=kept
        | {"RAPPORT_HOME": str(folder / "home"), "PYTHONPATH": str(Path.cwd()), "COLUMNS": "200"}
        | variables,
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


def test_a_service_command_finds_the_database_that_runs_here(tmp_path: Path) -> None:
    home = tmp_path / "home"
    home.mkdir()
    urls = dict.fromkeys(("ingest_url", "results_url", "notifier_url", "mail_url"), "http://127.0.0.1:1")
    (home / "running.json").write_text(
        json.dumps(
            {
                "supervisor_pid": os.getpid(),
                **urls,
                "database_url": f"postgresql://nobody@{NOWHERE}/none",
                "kafka": {},
                "management_urls": {},
            }
        )
    )
    code, said = run(tmp_path, "models", "list")
    assert (code, "port 1 failed" in said, "Traceback" in said) == (1, True, False)
    (home / "running.json").unlink()
    code, said = run(tmp_path, "models", "list")
    assert (code, "or start everything on this machine with `rapport up`" in said) == (1, True)


@pytest.mark.parametrize("key", ["rpt_wröng", "rpt_a\nb"])
def test_a_key_that_cannot_be_sent_is_refused_and_never_shown(key: str, tmp_path: Path) -> None:
    (tmp_path / "one.csv").write_text(HEAD + "c,t,s,2026-01-01T00:00:00Z,srs,9\n")
    code, said = run(tmp_path, "send", "one.csv", RAPPORT_KEY=key)
    assert (code, "characters that no key has: copy it again" in said) == (2, True)
    assert key.splitlines()[-1] not in said


@pytest.mark.parametrize("url", ["127.0.0.1:99", "ftp://x", "http://", "http://[::1", "/nope", "http:// x"])
def test_a_wrong_address_names_the_variable(url: str, tmp_path: Path) -> None:
    (tmp_path / "one.csv").write_text(HEAD + "c,t,s,2026-01-01T00:00:00Z,srs,9\n")
    code, said = run(tmp_path, "send", "one.csv", RAPPORT_KEY="k", RAPPORT_INGEST_URL=url)
    assert (code, said.startswith("RAPPORT_INGEST_URL is no address of a service: expected http://")) == (
        2,
        True,
    )


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["--rate", "0"], "--rate"),
        (["--rate", "-1"], "--rate"),
        (["--rate", "nan"], "--rate"),
        (["--therapist", "t", "--mapping", "one.csv"], "leave out --therapist"),
    ],
    ids=" ".join,
)
def test_options_that_have_no_effect_are_refused(words: list[str], said: str, tmp_path: Path) -> None:
    (tmp_path / "one.csv").write_text(HEAD + "c,t,s,2026-01-01T00:00:00Z,srs,9\n")
    code, text = run(tmp_path, "send", "one.csv", "--print", *words)
    assert (code, said in text) == (2, True)


@pytest.mark.skipif(sys.platform != "linux", reason="only Linux has a device that is always full")
def test_a_full_disk_is_said_and_a_device_is_never_replaced(tmp_path: Path) -> None:
    (tmp_path / "one.csv").write_text(HEAD + "c,t,s,2026-01-01T00:00:00Z,srs,9\n")
    with Path("/dev/full").open("wb") as full:
        done = subprocess.run(
            [sys.executable, "-m", "services.cli", "send", "one.csv", "--print"],
            stdout=full,
            stderr=subprocess.PIPE,
            check=False,
            text=True,
            cwd=tmp_path,
            env={**os.environ, "PYTHONPATH": str(Path.cwd())},
        )
    assert done.returncode == 1
    assert done.stderr == (
        "Not everything could be written: No space left on device. Make room, or write to another place.\n"
    )


@pytest.mark.parametrize(
    "words",
    [["score", "one.csv", "--out"], ["try", "one.csv", "--out"], ["try", "one.csv", "--write-mapping"]],
    ids=lambda words: f"{words[0]} {words[-1]}",
)
def test_where_nothing_can_be_written_is_named_before_the_work(words: list[str], tmp_path: Path) -> None:
    table = HEAD + "c,t,s,2026-01-01T00:00:00Z,srs,9\n"
    (tmp_path / "one.csv").write_text(table)
    (tmp_path / "folder").mkdir()
    for out, said in (
        ("one.csv", "one.csv is the file that is read: name another one"),
        ("folder", "folder is a folder: name a file in it"),
        ("none/out", "there is no folder none: make it first"),
    ):
        code, text = run(tmp_path, *words, out)
        assert (code, f"Invalid value for {words[-1]}: {said}" in text) == (2, True)
    assert (tmp_path / "one.csv").read_text() == table
    assert {path.name for path in tmp_path.iterdir()} == {"one.csv", "folder"}


@pytest.mark.parametrize("words", [["send", "one.csv", "--print"], ["score", "one.csv", "--out", "out.csv"]])
def test_columns_that_a_documented_table_does_not_have_are_named(words: list[str], tmp_path: Path) -> None:
    (tmp_path / "one.csv").write_text(
        HEAD.replace("\n", ",item_2,item_3,item_4,ors_total,Notes\n")
        + "c,t,s,2026-01-01T00:00:00Z,srs,9,9,9,9,20,x\n"
    )
    code, said = run(tmp_path, *words)
    assert (code, "not read: ors_total, Notes" in said) == (0, True)
