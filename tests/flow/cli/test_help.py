"""Every command teaches: what it is for, and a line to copy."""

import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
from typer.testing import CliRunner, Result

from services.cli.__main__ import application
from tests.flow.cli.conftest import Rapport

COMMANDS = (
    ("demo",), ("up",), ("connect",), ("send",), ("why",), ("audit",), ("doctor",), ("migrate",),
    ("practices", "add"), ("practices", "import"), ("practices", "set"), ("practices", "rotate"),
    ("practices", "list"), ("practices", "options"), ("practices", "status"),
    ("halts", "list"), ("halts", "repair"), ("rejected", "peek"), ("rejected", "set-aside"),
    ("deliveries", "retry"),
    ("topics", "apply"), ("topics", "check"), ("topics", "adopt-cluster"),
    ("schemas", "export"), ("schemas", "check"),
)  # fmt: skip

Ask = Callable[..., Result]


@pytest.fixture(scope="module")
def ask() -> Ask:
    """Ask the command in this process: what each knows of itself needs no start of its own."""
    app = application()
    return lambda *words: CliRunner().invoke(app, [*words, "--help"])


def test_help_names_every_command(ask: Ask) -> None:
    shown = ask().stdout

    assert [words[0] for words in COMMANDS if words[0] not in shown] == []


@pytest.mark.parametrize("words", COMMANDS, ids=" ".join)
def test_a_command_explains_itself(ask: Ask, words: tuple[str, ...]) -> None:
    done = ask(*words)

    assert done.exit_code == 0
    assert "Usage" in done.stdout


def test_help_loads_neither_broker_nor_model() -> None:
    """`rapport --help` answers while a person's finger is still on the key."""
    code = (
        "import sys; from services.cli.__main__ import application; application();"
        "print([m for m in ('aiokafka', 'sklearn', 'numpy', 'httpx', 'alembic') if m in sys.modules])"
    )

    loaded = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout

    assert loaded.strip() == "[]"


@pytest.mark.parametrize(
    "words", [("why", "--practice", "p", "--session", "s"), ("doctor",), ("topics", "check")]
)
def test_a_command_without_a_stack_says_how_to_get_one(
    rapport: Rapport, words: tuple[str, ...], tmp_path: Path
) -> None:
    done = rapport(*words, environment={"RAPPORT_HOME": str(tmp_path)})

    assert done.returncode == 2
    assert "rapport up" in done.stderr
