"""Fetching jars, with a program in place of Maven that notes each of its runs."""

import os
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from deploy.maven_jars import MavenJars

SLOW_COPY = """#!/bin/sh
for last; do :; done
folder=${last#-DoutputDirectory=}
mkdir "$folder" || exit 1
echo run >> "$RUNS"
sleep 0.3
touch "$folder/kafka.jar"
"""


@pytest.fixture
def maven(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[[str], Path]:
    """Put a script in Maven's place; the returned file has one line for each run."""
    runs = tmp_path / "runs"
    runs.touch()
    programs = tmp_path / "bin"
    programs.mkdir()
    (tmp_path / "pom.xml").write_text("<project/>")
    monkeypatch.setenv("RUNS", str(runs))
    monkeypatch.setenv("PATH", f"{programs}{os.pathsep}{os.environ['PATH']}")

    def install(script: str) -> Path:
        for name, text in {"mvn": script, "java": "#!/bin/sh\n"}.items():
            (programs / name).write_text(text)
            (programs / name).chmod(0o755)
        return runs

    return install


@pytest.fixture
def jars(tmp_path: Path) -> MavenJars:
    """The jars of a pom.xml."""
    return MavenJars(tmp_path, "Kafka")


def test_callers_at_the_same_time_fetch_the_jars_once(maven: Callable[[str], Path], jars: MavenJars) -> None:
    runs = maven(SLOW_COPY)
    with ThreadPoolExecutor(4) as callers:
        folders = list(callers.map(lambda _: jars.fetch(), range(4)))
    assert runs.read_text().splitlines() == ["run"]
    assert all((folder / "kafka.jar").exists() for folder in folders)


def test_what_maven_says_of_its_failure_is_told_and_the_next_caller_tries_again(
    maven: Callable[[str], Path],
    jars: MavenJars,
) -> None:
    maven("#!/bin/sh\necho 'no such artefact'\nexit 1\n")
    with pytest.raises(RuntimeError, match="no such artefact"):
        jars.fetch()
    runs = maven(SLOW_COPY)
    assert (jars.fetch() / "kafka.jar").exists()
    assert runs.read_text().splitlines() == ["run"]


def test_a_changed_pom_fetches_anew(maven: Callable[[str], Path], jars: MavenJars) -> None:
    runs = maven(SLOW_COPY)
    jars.fetch()
    (jars.folder / "pom.xml").write_text("<project>another version</project>")
    jars.fetch()
    assert len(runs.read_text().splitlines()) == 2
