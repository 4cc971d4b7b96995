"""A secret in the wrong setting stops the service, which names the setting and never shows the value."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

CANARY = "canary-secret-in-the-wrong-place"


@pytest.mark.parametrize("service", ["ingest", "detector", "notifier"])
def test_a_value_in_the_wrong_place_is_named_and_not_shown(service: str, tmp_path: Path) -> None:
    inherited = {
        name: value
        for name, value in os.environ.items()
        if not name.startswith(("KAFKA_", "DATABASE_", "HTTP_", "RAPPORT_", "LOG_"))
    }
    given = {
        "DATABASE_URL": "postgresql:///nowhere",
        "RAPPORT_CREDENTIALS_FILE": str(tmp_path / "keys.json"),
        "RAPPORT_KEY_SECRET_FILE": str(tmp_path / "secret"),
        "NOTIFIER_SIGNING_SECRET_FILE": str(tmp_path / "secret"),
        "NOTIFIER_PUBLIC_URL": "http://127.0.0.1:9",
        "KAFKA_SESSION_TIMEOUT_S": CANARY,
    }
    (tmp_path / "secret").write_text("0123456789abcdef" * 4)

    done = subprocess.run(
        [sys.executable, "-m", f"services.{service}"],
        env={**inherited, **given},
        capture_output=True,
        text=True,
        check=False,
    )

    assert done.returncode == 1
    entry = json.loads(done.stdout.splitlines()[-1])
    assert entry["event"] == "settings-invalid"
    assert [said.split(".")[0] for said in entry["wrong"]] == ["KAFKA_SESSION_TIMEOUT_S must be a number"]
    assert CANARY not in done.stdout + done.stderr
