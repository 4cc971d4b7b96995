"""Ingest as operators run it: a process, its environment, its standard output."""

import json
import os
import signal
import subprocess
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import IO

from services.runtime.http.key_file import add_key

STOP_S = 20.0


@dataclass(slots=True)
class IngestProcess:
    """A running `python -m services.ingest`."""

    url: str
    management_url: str
    keys: Path
    output: Path
    process: subprocess.Popen[str]

    def key(self, practice: str) -> dict[str, str]:
        """The headers of a new key."""
        key = add_key(self.keys, grants=[practice], scopes=["ratings:write"])
        return {"Authorization": f"Bearer {key.secret}"}

    def stop(self) -> int:
        """SIGTERM; returns the exit code."""
        self.process.send_signal(signal.SIGTERM)
        return self.process.wait(timeout=STOP_S)


def environment(kafka_env: Mapping[str, str], folder: Path, **more: str) -> dict[str, str]:
    """What the process needs to know."""
    (folder / "secret").write_text("0123456789abcdef" * 4)
    return {
        **os.environ,
        **kafka_env,
        "RAPPORT_CREDENTIALS_FILE": str(folder / "keys.json"),
        "RAPPORT_KEY_SECRET_FILE": str(folder / "secret"),
        "HTTP_PORT": "0",
        "LOG_LEVEL": "DEBUG",
        **more,
    }


@contextmanager
def ingest_process(kafka_env: Mapping[str, str], folder: Path, **more: str) -> Iterator[IngestProcess]:
    """Start it, wait until it has its broker, and stop it."""
    keys, output = folder / "keys.json", folder / "output.ndjson"
    add_key(keys, grants=["nobody"], scopes=["none"])
    with output.open("w") as written, output.open() as read:
        process = subprocess.Popen(
            [sys.executable, "-m", "services.ingest"],
            env=environment(kafka_env, folder, **more),
            stdout=written,
            stderr=subprocess.STDOUT,
            text=True,
        )
        try:
            yield IngestProcess(*_urls(process, read), keys, output, process)
        finally:
            if process.poll() is None:
                process.terminate()
                process.wait(timeout=STOP_S)


def _urls(process: subprocess.Popen[str], output: IO[str]) -> tuple[str, str]:
    urls = ("", "")
    while process.poll() is None:
        line = output.readline()
        if not line.endswith("\n"):
            continue
        entry = json.loads(line)
        if entry["event"] == "listening":
            urls = (entry["url"], entry["management_url"])
        if entry["event"] == "kafka-acknowledges":
            return urls
    raise AssertionError(output.read())
