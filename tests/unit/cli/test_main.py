"""The entry point of the `rapport` command."""

import sys
from collections.abc import Iterator

import pytest
import structlog

from services.cli import __main__ as entry
from services.runtime.process.log import get_logger


@pytest.fixture
def unconfigured_log() -> Iterator[None]:
    """Leave the log as it was found."""
    yield
    structlog.reset_defaults()


@pytest.mark.usefixtures("unconfigured_log")
def test_what_a_command_logs_is_not_part_of_what_it_prints(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def command(*, prog_name: str) -> None:
        get_logger().warning("database-not-encrypted", command=prog_name)
        sys.stdout.write("practice_id,key\n")

    monkeypatch.setattr(entry, "application", lambda: command)
    entry.main()

    shown = capsys.readouterr()
    assert shown.out == "practice_id,key\n"
    assert "database-not-encrypted" in shown.err


@pytest.mark.usefixtures("unconfigured_log")
def test_streams_that_were_closed_are_empty(monkeypatch: pytest.MonkeyPatch) -> None:
    read = []

    def command(*, prog_name: str) -> None:
        read.append(f"{prog_name}{sys.stdin.read()}")
        sys.stdout.write("to nowhere")

    monkeypatch.setattr(entry, "application", lambda: command)
    for stream in ("stdin", "stdout", "stderr"):
        monkeypatch.setattr(sys, stream, None)
    entry.main()
    assert read == ["rapport"]
    for opened in (sys.stdin, sys.stdout, sys.stderr):
        opened.close()
