"""`rapport schemas check` fails on a change that breaks the released contracts, also after an export."""

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[3]

# Both commands in one process: most of the time goes into importing the services.
EXPORT_AND_CHECK = """
from services.cli.__main__ import application

rapport = application()
rapport(["schemas", "export"], standalone_mode=False)
rapport(["schemas", "check"])
"""


@pytest.fixture
def copy(tmp_path: Path) -> Path:
    """A copy of the source."""
    for package in ("schemas", "services", "lab", "deploy"):
        shutil.copytree(ROOT / package, tmp_path / package, ignore=shutil.ignore_patterns("__pycache__"))
    return tmp_path


def export_and_check(source: Path) -> subprocess.CompletedProcess[str]:
    """Run `rapport schemas export` and then `rapport schemas check` on a copy of the source."""
    return subprocess.run(
        [sys.executable, "-c", EXPORT_AND_CHECK],
        cwd=source,
        env=os.environ | {"PYTHONPATH": str(source)},
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
    )


def edit(file: Path, old: str, new: str) -> None:
    """Replace what stands once in a file."""
    text = file.read_text()
    assert text.count(old) == 1
    file.write_text(text.replace(old, new))


def test_a_breaking_change_fails_the_check_although_it_was_exported(copy: Path) -> None:
    edit(copy / "schemas/events.py", "    early: bool\n", "    early: str\n")
    done = export_and_check(copy)
    assert done.returncode == 1
    assert "events/alliance.assessed.v1.json: data.early may no longer be boolean\n" in done.stderr
    assert "add a new version of it beside it" in done.stderr


def test_an_added_optional_field_passes_the_check(copy: Path) -> None:
    edit(
        copy / "schemas/events.py",
        "    early: bool\n",
        "    reviewed: bool = False\n    early: bool\n",
    )
    done = export_and_check(copy)
    assert done.returncode == 0, done.stderr
    assert "reviewed" in (copy / "schemas/published/events/alliance.assessed.v1.json").read_text()
