"""`deploy/find_python.sh` finds the interpreter of a version, in PATH or among pyenv's."""

import subprocess
from pathlib import Path

import pytest

SCRIPT = Path(__file__).resolve().parents[3] / "deploy" / "find_python.sh"


def _interpreter(file: Path, *, works: bool = True) -> Path:
    """Write a program that answers like an interpreter, or like a shim of pyenv that is switched off."""
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_text(f"#!/bin/sh\n{f'echo {file}' if works else 'echo command not found >&2; exit 127'}\n")
    file.chmod(0o755)
    return file


def _find(version: str, path: Path, pyenv: Path) -> tuple[int, str, str]:
    done = subprocess.run(
        ["/bin/sh", SCRIPT, *version.split()],
        env={"PATH": f"{path}:/usr/bin:/bin", "PYENV_ROOT": str(pyenv)},
        capture_output=True,
        text=True,
        check=False,
    )
    return done.returncode, done.stdout.strip(), done.stderr.strip()


def test_the_one_in_path_is_taken_before_that_of_pyenv(tmp_path: Path) -> None:
    wanted = _interpreter(tmp_path / "bin" / "python9.7")
    _interpreter(tmp_path / "versions" / "9.7.1" / "bin" / "python9.7")

    assert _find("9.7", tmp_path / "bin", tmp_path) == (0, str(wanted), "")


def test_a_shim_that_is_switched_off_is_passed_over(tmp_path: Path) -> None:
    _interpreter(tmp_path / "shims" / "python9.7", works=False)
    wanted = _interpreter(tmp_path / "versions" / "9.7.1" / "bin" / "python9.7")
    _interpreter(tmp_path / "versions" / "9.70.1" / "bin" / "python9.70")

    assert _find("9.7", tmp_path / "shims", tmp_path) == (0, str(wanted), "")


@pytest.mark.parametrize(
    ("version", "said"),
    [
        ("9.7", "Python 9.7 was not found in PATH or in {}/versions: install it first"),
        ("python3", "say which version, such as 3.13: make test-python PYTHON=3.13"),
        ("", "say which version, such as 3.13: make test-python PYTHON=3.13"),
    ],
)
def test_what_is_not_found_is_named_with_what_to_do(tmp_path: Path, version: str, said: str) -> None:
    assert _find(version, tmp_path, tmp_path) == (1, "", said.format(tmp_path))
