"""Changes a copy of the tree and runs Python in it."""

import os
import shutil
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]

REVISION = '''"""Adds an example column."""

from alembic import op

revision = "{new}"
down_revision = "{newest}"
branch_labels = None
depends_on = None
runs_from = "{runs_from}"


def upgrade() -> None:
    """Add the column."""
    op.execute("{statement}")


def downgrade() -> None:
    """Refuse to go back."""
    raise NotImplementedError
'''


class Copy:
    """A copy of the tree, and Python running in it."""

    def __init__(self, root: Path) -> None:
        self.root = root

    def replace(self, path: str, before: str, after: str) -> None:
        """Replace text that occurs exactly once in a file."""
        text = (self.root / path).read_text(encoding="utf-8")
        assert text.count(before) == 1, f"{path} contains {text.count(before)} times {before!r}"
        (self.root / path).write_text(text.replace(before, after), encoding="utf-8")

    def write(self, path: str, text: str) -> None:
        """Write a file that does not exist yet."""
        with (self.root / path).open("x", encoding="utf-8") as file:
            file.write(text)

    def read(self, path: str) -> str:
        """Return the text of a file."""
        return (self.root / path).read_text(encoding="utf-8")

    def run(self, *words: str, environment: Mapping[str, str] | None = None, fails: bool = False) -> str:
        """Run Python in the copy; return all its output. It must exit with 0, or with 1 where it `fails`."""
        inherited = {
            name: value for name, value in os.environ.items() if not name.startswith(("PYTEST_", "RAPPORT_"))
        }
        done = subprocess.run(
            [sys.executable, *words],
            cwd=self.root,
            env=inherited | {"PYTHONPATH": str(self.root)} | dict(environment or {}),
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            check=False,
        )
        assert done.returncode == int(fails), done.stdout
        return done.stdout

    def rapport(self, *words: str, environment: Mapping[str, str]) -> str:
        """Run a command of `rapport` in the copy."""
        return self.run("-m", "services.cli", *words, environment=environment)

    def test(self, *words: str, environment: Mapping[str, str] | None = None, fails: bool = False) -> str:
        """Run tests in the copy."""
        options = ["-q", "-n", "0", "-p", "no:cacheprovider"]
        return self.run("-m", "pytest", *options, *words, environment=environment, fails=fails)

    def add_revision(self, service: str, statement: str, *, runs_from: str | None = None) -> str:
        """Add a migration after the newest one of a service, on whose tables `runs_from` and newer ones run
        (default: the newest one runs on). Return its revision.
        """
        versions = f"deploy/postgres/{service}/versions"
        newest = max(file.name[:4] for file in (self.root / versions).glob("[0-9]*.py"))
        new = f"{int(newest) + 1:04}"
        text = REVISION.format(new=new, newest=newest, statement=statement, runs_from=runs_from or newest)
        self.write(f"{versions}/{new}_example.py", text)
        return new

    def make_reference(self) -> None:
        """Do what `make reference` does."""
        page = self.run("-m", "tests.support.reference")
        (self.root / "docs" / "reference.md").write_text(page, encoding="utf-8")


def copy_tree(folder: Path) -> Copy:
    """Copy the files that git tracks, and new ones that it does not ignore, as they are now."""
    listed = subprocess.run(
        ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard"],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=True,
    ).stdout.split("\0")
    names = [Path(name) for name in listed if name and (ROOT / name).is_file()]
    for parent in {name.parent for name in names}:
        (folder / parent).mkdir(parents=True, exist_ok=True)
        # A copy with the same times as its source need not be compiled again.
        if (compiled := ROOT / parent / "__pycache__").is_dir():
            shutil.copytree(compiled, folder / parent / "__pycache__")
    for name in names:
        shutil.copy2(ROOT / name, folder / name)
    return Copy(folder)
