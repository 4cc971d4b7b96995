"""What the image's own programs do: start the process that is asked for, make secrets that fit."""

import base64
import tomllib
from importlib import metadata
from pathlib import Path

import psycopg
import pytest
from packaging.requirements import Requirement

from deploy.compose.entrypoint import MODULES, module_for
from deploy.compose.make_secrets import scram_verifier, write_once
from tests.support.images import ROOT, compose_file


@pytest.mark.parametrize(
    ("word", "module"),
    [("ingest", "services.ingest"), ("doctor", "services.cli"), ("--help", "services.cli")],
)
def test_a_word_starts_a_service_or_belongs_to_the_command(word: str, module: str) -> None:
    assert module == module_for(word)


def test_every_word_of_the_compose_file_starts_something_that_exists() -> None:
    words = {service["command"][0] for service in compose_file()["services"].values() if "build" in service}
    files = {MODULES[word].replace(".", "/") for word in words if word in MODULES}

    assert {file for file in files if not ((ROOT / f"{file}.py").exists() or (ROOT / file).is_dir())} == set()


def test_a_verifier_is_what_postgresql_would_store(postgres_url: str) -> None:
    with psycopg.connect(postgres_url) as connection:
        stored = connection.pgconn.encrypt_password(b"a word", b"someone", b"scram-sha-256").decode()
    salt = base64.b64decode(stored.split(":")[1].split("$")[0])

    assert stored == scram_verifier("a word", salt)


def test_no_container_is_asked_more_than_every_five_seconds() -> None:
    checks = [one["healthcheck"] for one in compose_file()["services"].values() if "healthcheck" in one]
    running = [check for check in checks if check != {"disable": True}]

    assert {check["interval"] for check in running} == {"5s"}
    assert "HEALTHCHECK --interval=30s" in (ROOT / "deploy" / "Dockerfile").read_text()


def test_every_dependency_has_an_upper_bound_that_admits_what_is_installed() -> None:
    content = tomllib.loads((ROOT / "pyproject.toml").read_text())
    project, groups = content["project"], content["dependency-groups"]
    embedded = project["optional-dependencies"]["embedded"]
    wanted = [Requirement(one) for one in (*project["dependencies"], *embedded, *groups["demo"])]
    unbounded = {
        one.name for one in wanted if not any(part.operator in {"<", "<="} for part in one.specifier)
    }

    assert unbounded == {"tzdata"}  # the time zones of the world, named after the year
    assert [str(one) for one in wanted if not one.specifier.contains(metadata.version(one.name))] == []


def test_libraries_whose_internals_are_used_stay_below_their_next_minor_version() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    wanted = {one.name: one.specifier for one in map(Requirement, project["dependencies"])}

    for name in ("aiokafka", "faststream"):
        major, minor, *_ = metadata.version(name).split(".")
        assert not wanted[name].contains(f"{major}.{int(minor) + 1}.0"), name


def test_a_secret_that_is_there_stays(tmp_path: Path) -> None:
    (tmp_path / "key").write_text("old")
    write_once(tmp_path, "key", "new", (0, 0))

    assert (tmp_path / "key").read_text() == "old"
