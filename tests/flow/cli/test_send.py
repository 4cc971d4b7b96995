"""`rapport send` sends files, lists refused lines, and resumes an interrupted run."""

import json
import os
import re
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.flow.cli.conftest import IngestStack, Rapport, command
from tests.support.service_stack import wait_until

HEAD = "client_id,therapist_id,session_id,session_at,instrument,item_1,item_2,item_3,item_4"
Send = Callable[..., subprocess.CompletedProcess[str]]


def _table(file: Path, rows: int, marks: str = "9,8,9,9") -> Path:
    lines = [f"c{n},t1,s{n},2026-01-05T10:00:00+00:00,srs,{marks}" for n in range(rows)]
    file.write_text("\n".join([HEAD, *lines]) + "\n")
    return file


@pytest.fixture
def send(ingest: IngestStack, rapport: Rapport) -> Send:
    """Run `rapport send` against the running ingest, without a terminal."""
    return lambda file, *words: rapport("send", str(file), *words, environment=ingest.environment)


def test_a_table_is_sent_and_counted(send: Send, tmp_path: Path) -> None:
    done = send(_table(tmp_path / "r.csv", 30))

    assert done.returncode == 0, done.stderr
    assert done.stdout.splitlines()[-1] == "30 sent = 30 accepted + 0 refused"


def test_a_refused_line_is_listed_with_its_reason_and_sets_the_exit_code(send: Send, tmp_path: Path) -> None:
    file = _table(tmp_path / "r.csv", 2)
    file.write_text(file.read_text() + "c9,t1,s9,2026-01-05T10:00:00+00:00,srs,99,8,9,9\n")

    done = send(file)

    assert done.returncode == 3
    counts, refusal = done.stdout.splitlines()[-2:]
    assert counts == "3 sent = 2 accepted + 1 refused"
    assert refusal.startswith("  line 4: invalid: items")


def test_lines_of_ndjson_are_sent_unchanged(send: Send, tmp_path: Path) -> None:
    body = {
        "client_id": "c",
        "therapist_id": "t",
        "session_id": "s",
        "session_at": "2026-01-05T10:00:00+01:00",
        "instrument": "srs",
        "status": "declined",
    }
    file = tmp_path / "r.ndjson"
    file.write_text(f"{json.dumps(body)}\nnot json\n")

    done = send(file)

    counts, refusal = done.stdout.splitlines()[-2:]
    assert counts == "2 sent = 1 accepted + 1 refused"
    assert refusal.startswith("  line 2: not-json")


def test_an_interrupted_run_is_resumed(ingest: IngestStack, send: Send, tmp_path: Path) -> None:
    file = _table(tmp_path / "r.csv", 200)
    environment = {**os.environ, **ingest.environment}
    folder = ingest.home / "sending"

    def done_so_far() -> int:
        return max((int(json.loads(file.read_text())["done"]) for file in folder.glob("*.json")), default=0)

    with subprocess.Popen(
        command("send", str(file), "--rate", "100"), env=environment, stdout=subprocess.DEVNULL
    ) as first:
        wait_until(lambda: done_so_far() >= 20, "20 ratings are sent")
        first.kill()
    skipped = done_so_far()
    second = send(file)

    assert 20 <= skipped < 200
    assert second.stdout.startswith(f"Resuming after the {skipped} ratings")
    rest = 200 - skipped
    assert second.stdout.splitlines()[-1] == f"{rest} sent = {rest} accepted + 0 refused"


@pytest.mark.parametrize("words", [(), ("--from-start",)], ids=["plainly", "from the start"])
def test_a_complete_run_is_repeated_in_full(send: Send, tmp_path: Path, words: tuple[str, ...]) -> None:
    file = _table(tmp_path / "r.csv", 5)
    send(file)

    again = send(file, *words)

    assert "Resuming" not in again.stdout
    assert again.stdout.splitlines()[-1] == "5 sent = 5 accepted + 0 refused"


def test_a_wrong_key_is_reported_without_showing_it(
    ingest: IngestStack, rapport: Rapport, tmp_path: Path
) -> None:
    environment = {**ingest.environment, "RAPPORT_KEY": "rpt_wrong"}
    done = rapport("send", str(_table(tmp_path / "r.csv", 1)), environment=environment)

    assert (done.returncode, done.stdout) == (1, "")
    assert re.match(r"POST /v1/ratings/batch answered 401: ", done.stderr)
    assert "rpt_wrong" not in done.stderr


def test_history_explains_who_is_told_and_then_sends(send: Send, tmp_path: Path) -> None:
    done = send(_table(tmp_path / "r.csv", 1), "--history")

    assert done.stdout.startswith("History is assessed when no other ratings wait")
    assert "rapport practices set PRACTICE --set tell_from=always" in done.stdout
    assert done.stdout.splitlines()[-1] == "1 sent = 1 accepted + 0 refused"


def test_a_dry_run_names_what_would_be_refused_or_take_no_effect_and_sends_nothing(
    ingest: IngestStack, send: Send, tmp_path: Path
) -> None:
    file = tmp_path / "r.csv"
    rows = [
        "c1,t1,s1,2026-01-05T10:00:00+00:00,srs,9,8,9,9,own-1,",
        "c1,t1,s1,2026-01-05T10:00:00+00:00,srs,8,8,9,9,own-1,2026-01-06T10:00:00+00:00",
        "c1,t1,s1,2026-01-05T10:00:00+00:00,srs,7,8,9,9,own-1,2026-01-06T10:00:00+00:00",
        "c1,t1,s2,2026-01-12T10:00:00+00:00,srs,99,8,9,9,own-2,",
    ]
    file.write_text("\n".join([f"{HEAD},id,recorded_at", *rows]) + "\n")

    checked = send(file, "--dry-run", "--history")

    assert checked.returncode == 3
    assert checked.stdout.splitlines()[0] == "4 checked, none sent = 3 valid + 1 refused"
    assert "line 5: invalid: items" in checked.stdout
    (warning,) = [line for line in checked.stderr.splitlines() if line.startswith("line ")]
    assert warning.startswith("line 4: its id has another body on line 3, so it will be rejected")
    assert not list(ingest.home.glob("sending/*"))
    sent = send(file)
    assert sent.stdout.splitlines()[0] == "4 sent = 3 accepted + 1 refused"
    assert warning in sent.stderr
