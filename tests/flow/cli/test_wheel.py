"""The wheel, installed beside the locked packages, works in an empty folder."""

import os
import re
import shutil
import signal
import site
import subprocess
import sys
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

import httpx
import pytest

from tests.flow.cli.conftest import home_folder
from tests.support.service_stack import wait_until

ROOT = Path(__file__).resolve().parents[3]
UV = str(Path(sys.executable).with_name("uv"))
PYTHON = ("--python", sys.executable)


@dataclass(frozen=True)
class Installed:
    """A virtual environment with the wheel, and an empty folder to work in."""

    programs: Path
    folder: Path

    @property
    def environment(self) -> Mapping[str, str]:
        """The environment of a person who knows nothing of the source."""
        kept = {
            name: value for name, value in os.environ.items() if not name.startswith(("PYTHON", "RAPPORT"))
        }
        return {**kept, "PATH": f"{self.programs}:/usr/bin:/bin", "COLUMNS": "200"}

    def run(self, *words: str) -> subprocess.CompletedProcess[str]:
        """Run a program to its end."""
        return subprocess.run(
            words, cwd=self.folder, env=self.environment, capture_output=True, text=True, check=False
        )


def build_wheel(source: Path, into: Path) -> Path:
    """Build a wheel as `uv tool install` does, with what is installed here."""
    command = [
        UV,
        "build",
        "--quiet",
        "--offline",
        "--wheel",
        "--no-build-isolation",
        "--python",
        sys.executable,
    ]
    subprocess.run([*command, "--out-dir", into, source], check=True, timeout=100)
    (wheel,) = into.glob("*.whl")
    return wheel


def packages_beside() -> Iterator[Path]:
    """Yield everything that is installed here, except for this project."""
    (packages,) = site.getsitepackages()
    for each in Path(packages).iterdir():
        if "rapport" not in each.name and each.name != "__pycache__":
            yield each


@pytest.fixture(scope="module")
def installed() -> Iterator[Installed]:
    """The wheel beside the packages of this environment, which are linked and not fetched."""
    with home_folder() as made:
        venv, folder = made / "venv", made / "empty"
        wheel = build_wheel(ROOT, made / "dist")
        subprocess.run([UV, "venv", "--quiet", "--offline", *PYTHON, str(venv)], check=True)
        (packages,) = venv.glob("lib/*/site-packages")
        for each in packages_beside():
            if not (packages / each.name).exists():
                (packages / each.name).symlink_to(each)
        install = [UV, "pip", "install", "--quiet", "--offline", "--no-deps"]
        subprocess.run([*install, "--python", str(venv / "bin/python"), str(wheel)], check=True)
        folder.mkdir(mode=0o755)
        yield Installed(venv / "bin", folder)


@pytest.mark.parametrize("way", [["rapport"], ["python", "-m", "rapport"]], ids=" ".join)
def test_the_command_is_there_in_both_ways(installed: Installed, way: list[str]) -> None:
    done = installed.run(*way, "--help")
    assert done.returncode == 0, done.stderr
    assert "Watch Rapport work" in done.stdout


def test_nothing_comes_from_the_source(installed: Installed) -> None:
    done = installed.run("python", "-c", "import rapport, schemas, services; print(services.__path__[0])")
    assert done.stdout.startswith(str(installed.programs.parent)), done.stdout + done.stderr


def test_a_page_is_written_about_a_table(installed: Installed) -> None:
    shutil.copy(ROOT / "docs/examples/ratings.csv", installed.folder)
    done = installed.run("rapport", "try", "ratings.csv")
    assert done.returncode == 0, done.stdout + done.stderr
    assert "messages in" in done.stdout
    assert (installed.folder / "ratings.html").stat().st_size > 10_000


def test_the_demonstration_says_what_it_lacks(installed: Installed) -> None:
    done = installed.run("rapport", "demo")
    assert done.returncode == 1
    assert "rapport-lab" in done.stderr
    assert "rapport demo --ratings FILE" in done.stderr


@pytest.mark.timeout(180)
def test_everything_runs_and_takes_a_first_rating(installed: Installed) -> None:
    output = installed.folder / "output"
    with (
        output.open("w") as out,
        subprocess.Popen(
            ["rapport", "up"], cwd=installed.folder, env=installed.environment, stdout=out, stderr=out
        ) as up,
    ):
        try:
            wait_until(lambda: up.poll() is not None or "Ctrl-C" in output.read_text(), "rapport is up", 100)
            said = output.read_text()
            url, key = re.search(r"curl -s (\S+)/v1", said), re.search(r"rpt_\S+(?=\n)", said)
            assert url is not None, said
            assert key is not None, said
            listed = httpx.get(
                f"{url[1]}/v1/instruments", headers={"Authorization": f"Bearer {key[0]}"}, trust_env=False
            )
            command = said[said.index("  curl") : said.index("Or connect")].strip()
            sent = installed.run("bash", "-c", command)
        finally:
            up.send_signal(signal.SIGINT)
            assert up.wait(60) == 0, output.read_text()
    assert listed.status_code == 200
    assert '"status":"accepted"' in sent.stdout.replace(" ", ""), sent.stdout
    assert {each.name for each in installed.folder.iterdir()} >= {".rapport", "output"}
