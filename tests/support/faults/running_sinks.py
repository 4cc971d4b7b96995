"""Runs the receivers of mail and webhooks of a fault run as a process of their own."""

import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path


@contextmanager
def running_sinks(folder: Path) -> Iterator[tuple[int, int]]:
    """Run the receivers of mails and webhook calls as a process; yield their ports."""
    process = subprocess.Popen(
        [sys.executable, "-m", "tests.support.faults.sink_process", str(folder)],
        stdout=subprocess.PIPE, text=True, start_new_session=True,
    )  # fmt: skip
    assert process.stdout is not None
    try:
        smtp_port, webhook_port = map(int, process.stdout.readline().split())
        yield smtp_port, webhook_port
    finally:
        process.terminate()
        process.wait(10)
        process.stdout.close()
