"""Fixtures that several kinds of tests stand on."""

from collections.abc import Iterator

import pytest

from tests.support.postgres import fresh_database, postgres_server

pytest_plugins = ["tests.support.machine_requirements", "tests.support.faults.options"]
# What fails in these is to be shown as fully as what fails in a test.
pytest.register_assert_rewrite(
    "tests.support.invariants",
    "tests.support.service_stack",
    "tests.support.faults",
    "tests.containers",
)


@pytest.fixture(scope="session")
def postgres_url() -> Iterator[str]:
    """A running PostgreSQL server."""
    with postgres_server() as url:
        yield url


@pytest.fixture(scope="session")
def postgres_container_url() -> Iterator[str]:
    """A running PostgreSQL server in a container."""
    from tests.support.containers import postgres_container

    with postgres_container() as url:
        yield url


@pytest.fixture
def database_url(request: pytest.FixtureRequest) -> Iterator[str]:
    """A fresh, empty database; in a container where the test's Kafka is in one."""
    kind = getattr(request.node, "callspec", None)
    contained = kind is not None and kind.params.get("backend") == "containers"
    server = request.getfixturevalue("postgres_container_url" if contained else "postgres_url")
    with fresh_database(server) as url:
        yield url
