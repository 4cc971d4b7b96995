"""Ingest as a process: settings in, one port, a clean end."""

import json
import subprocess
import sys
from pathlib import Path
from threading import Thread

import httpx

from tests.support.ingest.process import environment, ingest_process
from tests.support.ingest.running import RATING, lines


def test_sigterm_ends_it_with_exit_code_0_and_every_started_request_is_answered(
    kafka_env: dict[str, str], tmp_path: Path
) -> None:
    answers: list[int] = []

    def send() -> None:
        with httpx.Client(base_url=ingest.url, timeout=20) as http:
            body = lines(*[{**RATING, "id": f"r-{number}"} for number in range(3_000)])
            headers = {**key, "Content-Type": "application/x-ndjson"}
            answer = http.post("/v1/ratings/batch", content=body, headers=headers)
            answers.append(answer.text.count('"accepted"'))

    with ingest_process(kafka_env, tmp_path) as ingest:
        key = ingest.key("stopping")
        sender = Thread(target=send)
        sender.start()
        while "rapport_ingest_open_batches 1.0" not in httpx.get(f"{ingest.management_url}/metrics").text:
            assert sender.is_alive(), "the batch ended before it could be seen"
        code = ingest.stop()
        sender.join()
    assert code == 0
    assert answers == [3_000]


def test_missing_settings_end_it_with_their_names_and_no_value(tmp_path: Path) -> None:
    given = environment({}, tmp_path, INGEST_MAX_BATCH_LINES="a-value-in-the-wrong-place")
    done = subprocess.run(
        [sys.executable, "-m", "services.ingest"], env=given, capture_output=True, text=True, check=False
    )
    assert done.returncode == 1
    entry = json.loads(done.stdout.splitlines()[-1])
    assert entry["event"] == "settings-invalid"
    (said,) = entry["wrong"]
    assert said.startswith("INGEST_MAX_BATCH_LINES must be a whole number. Largest number of lines")
    assert "a-value-in-the-wrong-place" not in done.stdout + done.stderr


def test_a_short_secret_ends_it_and_says_how_to_make_one(tmp_path: Path) -> None:
    given = environment({}, tmp_path)
    (tmp_path / "secret").write_text("short")
    done = subprocess.run(
        [sys.executable, "-m", "services.ingest"], env=given, capture_output=True, text=True, check=False
    )
    assert done.returncode == 1
    assert "openssl rand -hex 32" in json.loads(done.stdout.splitlines()[-1])["why"]
