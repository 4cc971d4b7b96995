"""`rapport send` delivers files, lists what is refused, and goes on where it was interrupted."""

import json
import os
import subprocess
from pathlib import Path

from tests.flow.cli.conftest import Door, Rapport, command
from tests.support.service_stack import wait_until

HEAD = "client_id,therapist_id,session_id,session_at,instrument,item_1,item_2,item_3,item_4"


def _table(file: Path, rows: int, marks: str = "9,8,9,9") -> Path:
    lines = [f"c{n},t1,s{n},2026-01-05T10:00:00+00:00,srs,{marks}" for n in range(rows)]
    file.write_text("\n".join([HEAD, *lines]) + "\n")
    return file


def test_a_table_is_sent_and_summed_up(ingest: Door, rapport: Rapport, tmp_path: Path) -> None:
    done = rapport("send", str(_table(tmp_path / "r.csv", 30)), environment=ingest.environment)

    assert done.returncode == 0, done.stderr
    assert "30 sent = 30 accepted + 0 refused" in done.stdout


def test_a_refused_line_is_named_with_its_reason_and_the_exit_code_says_so(
    ingest: Door, rapport: Rapport, tmp_path: Path
) -> None:
    file = _table(tmp_path / "r.csv", 2)
    file.write_text(file.read_text() + "c9,t1,s9,2026-01-05T10:00:00+00:00,srs,99,8,9,9\n")

    done = rapport("send", str(file), environment=ingest.environment)

    assert done.returncode == 3
    assert "3 sent = 2 accepted + 1 refused" in done.stdout
    assert "line 4: invalid: items" in done.stdout


def test_lines_of_ndjson_are_sent_as_they_stand(ingest: Door, rapport: Rapport, tmp_path: Path) -> None:
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

    done = rapport("send", str(file), environment=ingest.environment)

    assert "2 sent = 1 accepted + 1 refused" in done.stdout
    assert "line 2: not-json" in done.stdout


def test_an_interrupted_run_is_gone_on_with(ingest: Door, rapport: Rapport, tmp_path: Path) -> None:
    file = _table(tmp_path / "r.csv", 200)
    environment = {**os.environ, **ingest.environment}
    notes = ingest.home / "sending"

    def done_so_far() -> int:
        return max((int(json.loads(note.read_text())["done"]) for note in notes.glob("*.json")), default=0)

    with subprocess.Popen(
        command("send", str(file), "--rate", "100"), env=environment, stdout=subprocess.DEVNULL
    ) as first:
        wait_until(lambda: done_so_far() >= 20, "20 ratings are sent")
        first.kill()
    skipped = done_so_far()
    second = rapport("send", str(file), environment=ingest.environment)

    assert f"Resuming after the {skipped} ratings" in second.stdout
    assert f"{200 - skipped} sent = {200 - skipped} accepted" in second.stdout


def test_a_complete_run_is_no_interrupted_one(ingest: Door, rapport: Rapport, tmp_path: Path) -> None:
    file = _table(tmp_path / "r.csv", 5)
    rapport("send", str(file), environment=ingest.environment)

    again = rapport("send", str(file), environment=ingest.environment)

    assert "5 sent = 5 accepted" in again.stdout


def test_a_wrong_key_is_said_without_showing_it(ingest: Door, rapport: Rapport, tmp_path: Path) -> None:
    done = rapport(
        "send",
        str(_table(tmp_path / "r.csv", 1)),
        environment={**ingest.environment, "RAPPORT_KEY": "rpt_wrong"},
    )

    assert done.returncode == 1
    assert "401" in done.stderr
    assert "rpt_wrong" not in done.stdout + done.stderr


def test_history_is_explained(ingest: Door, rapport: Rapport, tmp_path: Path) -> None:
    done = rapport("send", str(_table(tmp_path / "r.csv", 1)), "--history", environment=ingest.environment)

    assert "tell_from" in done.stdout
