"""Runs the `rapport` command as users do, and an ingest to send ratings to."""

import os
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import urlsplit

import pytest

from services.cli.admin import practices as practice_admin
from services.cli.home import Home
from services.cli.local.supervisor import BackingServices, Supervisor
from services.cli.plugins import services_with_tables
from services.runtime.http.key_file import add_key
from services.runtime.postgres.migrations import migrate
from tests.support.backend import embedded_backend
from tests.support.postgres import fresh_database

Rapport = Callable[..., subprocess.CompletedProcess[str]]


@dataclass(frozen=True, slots=True)
class IngestStack:
    """An ingest on the embedded broker, the key of the practice `north`, and the environment for both."""

    url: str
    key: str
    environment: Mapping[str, str]
    home: Path


@contextmanager
def home_folder() -> Iterator[Path]:
    """Yield a folder for a database server.

    pytest's own folder does not work: root's server runs as another user, and every run of pytest makes its
    folder private again.
    """
    with tempfile.TemporaryDirectory(prefix="rapport-home-") as folder:
        yield Path(folder)


@pytest.fixture
def home_of_its_own() -> Iterator[Path]:
    """A home folder for one test."""
    with home_folder() as folder:
        yield folder


@pytest.fixture
def ingest(tmp_path: Path) -> Iterator[IngestStack]:
    """A running ingest; nothing reads what it publishes."""
    home = Home(tmp_path / "home")
    new = add_key(home.credentials, grants=["north"], scopes=practice_admin.SCOPES)
    with embedded_backend() as backend:
        supervisor = Supervisor(home, BackingServices(backend.kafka_env, "postgresql://nobody.example", 25))
        process = supervisor.processes["ingest"]
        process.start()
        try:
            process.wait_ready(30)
            environment = {
                "RAPPORT_HOME": str(home.folder),
                "RAPPORT_INGEST_URL": process.url,
                "RAPPORT_KEY": new.secret,
            }
            yield IngestStack(process.url, new.secret, environment, home.folder)
        finally:
            process.stop()


def command(*words: str) -> list[str]:
    """Return the command line of `rapport` with these words."""
    return [sys.executable, "-m", "services.cli", *words]


@pytest.fixture
def rapport() -> Rapport:
    """Run `rapport` to its end, without a terminal."""

    def run(
        *words: str, environment: Mapping[str, str] | None = None, timeout_s: float = 60
    ) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            command(*words),
            env={**os.environ, "COLUMNS": "120", **(environment or {})},
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=timeout_s,
            check=False,
        )

    return run


@pytest.fixture(scope="session")
def all_tables(postgres_url: str) -> Iterator[str]:
    """A database with the tables of every service, to be copied."""
    with fresh_database(postgres_url) as url:
        for service in services_with_tables():
            migrate(url, service)
        yield urlsplit(url).path.lstrip("/")


@pytest.fixture
def migrated_url(postgres_url: str, all_tables: str) -> Iterator[str]:
    """A fresh database with the tables of every service."""
    with fresh_database(postgres_url, template=all_tables) as url:
        yield url
