"""A mistyped practice, option, place or id is named with what helps, and nothing is done about it."""

import asyncio
from pathlib import Path

import psycopg
import pytest
from typer.testing import CliRunner, Result

from services.cli.__main__ import application
from services.cli.admin.practices import store_practice
from tests.support.erasure import SECRET, database

SINCE = "2026-01-01T00:00Z"


@pytest.fixture
def url(migrated_url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    """A database with the practice `north`, which the commands find."""
    (tmp_path / "secret").write_bytes(SECRET)
    monkeypatch.setenv("DATABASE_URL", migrated_url)
    monkeypatch.setenv("RAPPORT_HOME", str(tmp_path / "home"))
    monkeypatch.setenv("RAPPORT_ERASURE_SECRET_FILE", str(tmp_path / "secret"))
    asyncio.run(store_practice(database(migrated_url), "north", {}))
    return migrated_url


def run(*words: str) -> Result:
    return CliRunner().invoke(application(), [*words])


def practices(url: str) -> set[str]:
    with psycopg.connect(url) as conn:
        return {row[0] for row in conn.execute("SELECT practice_id FROM detector.practice")}


@pytest.mark.parametrize(
    ("words", "code"),
    [
        (["practices", "set", "nroth", "--set", "sensitivity=low"], 2),
        (["practices", "status", "nroth"], 1),
        (["webhooks", "replay", "--practice", "nroth", "--since", SINCE], 1),
        (["deliveries", "retry", "--failed", "--practice", "nroth", "--since", SINCE], 1),
    ],
    ids=lambda value: " ".join(value[:2]) if isinstance(value, list) else "",
)
def test_a_practice_that_does_not_exist_is_named_and_not_made(words: list[str], code: int, url: str) -> None:
    ran = run(*words)
    assert ran.exit_code == code
    assert "here is no practice nroth: `rapport practices list` shows all" in ran.stderr
    assert practices(url) == {"north"}


@pytest.mark.parametrize("kind", ["thresholds", "statistics", "labels"])
def test_nothing_is_exported_of_a_practice_that_does_not_exist(kind: str, url: str, tmp_path: Path) -> None:
    ran = run(kind, "export", "--practice", "north", "--practice", "nroth", "--out", str(tmp_path / "out"))
    assert "no practice nroth" in str(ran.exception)
    assert (practices(url), (tmp_path / "out").exists()) == ({"north"}, False)


@pytest.mark.parametrize("name", ["", "a b", "-x", "a@b", "prâxis", "a" * 129])
def test_what_cannot_stand_in_a_header_is_no_practice(name: str, url: str) -> None:
    for words in (["practices", "add", "--", name], ["connect", "--", name]):
        ran = run(*words)
        assert (ran.exit_code, "cannot be the id of a practice: expected 1 to 128 letters" in ran.stderr) == (
            2,
            True,
        )
    assert practices(url) == {"north"}


@pytest.mark.parametrize(
    ("rows", "said"),
    [
        ("east,low\nwest,lwo\n", "sensitivity: expected low, balanced, high"),
        ("east,low\n,low\n", "'' cannot be the id of a practice"),
        ("east,low\neast,high\n", "several rows have the practice_id east"),
    ],
)
def test_of_a_file_with_an_error_no_practice_is_stored(
    rows: str, said: str, url: str, tmp_path: Path
) -> None:
    file = tmp_path / "practices.csv"
    file.write_text(f"practice_id,sensitivity\n{rows}")
    ran = run("practices", "import", str(file))
    assert (ran.exit_code, said in ran.stderr, ran.stdout) == (2, True, "")
    assert practices(url) == {"north"}


def test_a_practice_is_set_to_something(url: str) -> None:
    ran = run("practices", "set", "north")
    assert (ran.exit_code, "nothing to change: give --set NAME=VALUE" in ran.stderr) == (2, True)


def test_an_action_that_was_never_logged_is_answered_with_those_that_were(url: str) -> None:
    ran = run("audit", "--practice", "north", "--action", "key-aded")
    assert ran.exit_code == 1
    assert "Logged were practice-stored, last on" in ran.stderr
    ran = run("audit", "--practice", "nroth")
    assert (ran.exit_code, "about practice nroth: check the ids" in ran.stderr) == (1, True)


def test_an_erasure_of_nobody_says_so_and_one_without_an_id_is_refused(url: str) -> None:
    ran = run("erase", "--practice", "north", "--client", "c-71", "--yes")
    assert (ran.exit_code, "Nothing is stored under this id: check it" in ran.stderr) == (0, True)
    for words in (["--practice", "north", "--client", ""], ["--practice", "", "--all"]):
        assert "an id is empty: give the one that was sent" in run("erase", *words, "--yes").stderr


def test_a_file_that_is_there_is_not_emptied_by_an_export_of_nothing(url: str, tmp_path: Path) -> None:
    out = tmp_path / "ratings.ndjson"
    out.write_text("kept")
    assert run("export", "--practice", "north", "--out", str(out)).exit_code == 1
    assert [(path.name, path.read_text()) for path in tmp_path.glob("*ratings*")] == [
        ("ratings.ndjson", "kept")
    ]


def test_filters_of_rejected_records_that_match_nothing_are_named(url: str) -> None:
    assert (
        "`rapport rejected list` without options counts all"
        in run("rejected", "list", "--reason", "x").stdout
    )
    places = ["--topic", "alliance.session-rated.v1", "--partition", "0", "--from", "5", "--to", "1"]
    assert "expected 5 or more, as --from is 5" in run("rejected", "peek", *places).stderr
