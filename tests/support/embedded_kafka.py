"""Runs the embedded broker for tests."""

import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager


@contextmanager
def embedded_kafka() -> Iterator[str]:
    """Run the embedded broker as a process of its own; yield its bootstrap address."""
    process = subprocess.Popen(
        [sys.executable, "-m", "services.cli.local.mock_kafka"], stdout=subprocess.PIPE, text=True
    )
    try:
        assert process.stdout is not None
        announced = process.stdout.readline().split()
        assert announced, "the embedded broker did not start; its reason is on stderr"
        yield announced[0]
    finally:
        process.terminate()
        process.wait(timeout=10)
        if process.stdout is not None:
            process.stdout.close()
